"""What the tests of the warm Python run as a script."""

import json
import os
import signal
import sys
import time
from pathlib import Path


def main() -> None:
    """Do what the first argument says."""
    match sys.argv[1]:
        case "tell":
            told = {
                "words": sys.argv[2:],
                "folder": str(Path.cwd()),
                "path": sys.path[0],
                "pid": os.getpid(),
                "colour": os.environ.get("COLOUR"),
                "text": sys.stdin.read(),
            }
            sys.stdout.write(json.dumps(told))
        case "raise":
            message = "on purpose"
            raise ValueError(message)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "write":
            os.write(int(sys.argv[2]), b"written")
        case "stay":
            sys.stdout.write(f"{os.getpid()}\n")
            sys.stdout.flush()
            time.sleep(60)
        case code:
            sys.exit(int(code))


if __name__ == "__main__":
    main()
