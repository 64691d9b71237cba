"""Environment variables, and the file `.env` of the working directory, which the environment overrides.

Secrets are removed from the environment, because child processes inherit it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from bridge.errors import SetupError

PREFIX = "BRIDGE_"
OF_COMMANDS = ("BRIDGE_PASSWORD", "BRIDGE_TOKEN")
"""Variables of single commands: secrets that are not settings."""
FILE = Path(".env")


def adopt_file() -> None:
    """Copy the settings in `.env` into the environment, without overriding its variables."""
    for name, value in _in_file().items():
        if name not in OF_COMMANDS:
            os.environ.setdefault(name, value)


def take(name: str) -> str | None:
    """Return a command's variable and remove it from the environment; None if it is not set or empty."""
    return os.environ.pop(name, None) or _in_file().get(name) or None


def _in_file() -> Mapping[str, str]:
    try:
        if not FILE.is_file():
            return {}
        found = dotenv_values(FILE, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"Cannot read the file {FILE.absolute()}: {type(error).__name__}.") from None
    return {name: value for name, value in found.items() if name.startswith(PREFIX) and value is not None}
