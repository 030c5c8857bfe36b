"""Real Ray clusters on this machine: a head and nodes, each with its own processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.cluster_utils import Cluster

NODE = {"include_dashboard": False, "object_store_memory": 100 * 2**20}


@contextmanager
def cluster(*cpus: int) -> Iterator[Any]:
    """Start a cluster whose nodes have so many CPUs each, the head's first; it ends in any case.

    The CPUs are what Ray counts: the nodes share those that there are.
    """
    started = Cluster(initialize_head=True, head_node_args=NODE | {"num_cpus": cpus[0]})
    try:
        for count in cpus[1:]:
            add_node(started, count)
        yield started
    finally:
        started.shutdown()


def add_node(started: Any, cpus: int, **environment: str) -> Any:
    """Add a node to a cluster, whose processes have so much more in their environment."""
    node = {name: value for name, value in NODE.items() if name != "include_dashboard"}
    return started.add_node(num_cpus=cpus, env_vars=environment, **node)
