"""A Hub on this machine to try things against: `python -m tests.hub`; it forgets everything when it ends."""

import argparse
import sys
import threading
from pathlib import Path

from tests.hub.server import LoopbackHub

SETTINGS = ("HF_ENDPOINT", "HF_HOME", "HF_TOKEN", "HF_HUB_DISABLE_XET", "NO_PROXY")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.hub", description=__doc__)
    parser.add_argument("home", type=Path, help="a folder for the clients' caches")
    parser.add_argument("--user", default="alice", help="whose token is printed")
    given = parser.parse_args()
    with LoopbackHub() as hub:
        environment = hub.environment(given.home.absolute(), hub.token(given.user))
        print("\n".join(f"export {name}={environment[name]}" for name in SETTINGS), flush=True)
        print("# this Hub runs until it is interrupted", file=sys.stderr)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print(file=sys.stderr)


if __name__ == "__main__":
    main()
