"""`bridge version`."""

from __future__ import annotations

from bridge.cli.options import say


def version() -> None:
    """Print the version."""
    from bridge import __version__

    say(__version__)
