"""What listens on this machine, told by its sockets."""

from ipaddress import ip_address

import psutil


def listening(root: psutil.Process) -> set[tuple[str, int]]:
    """Address and port of each TCP socket on which a process or a child of it listens."""
    processes = [root, *root.children(recursive=True)]
    return {
        (connection.laddr.ip, connection.laddr.port)
        for process in processes
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }


def is_reachable(address: str) -> bool:
    """Whether others than this machine reach what listens there."""
    return not ip_address(address).is_loopback
