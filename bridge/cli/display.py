"""Whether this machine can show windows."""

from __future__ import annotations

import os
import sys

from bridge.errors import SetupError


def has_display() -> bool:
    """Tell whether windows can be opened here."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def need_display(otherwise: str) -> None:
    """Raise a `SetupError` that ends with the advice `otherwise` if this machine has no screen."""
    if not has_display():
        raise SetupError(f"This command opens a window, but this machine has no screen. {otherwise}")
