"""The `bridge` command, also as `python -m bridge`."""

from __future__ import annotations

import sys


def main() -> None:
    """Load the command line and run it; Ctrl-C ends it quietly, even while loading."""
    try:
        from bridge.cli.command_line import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
