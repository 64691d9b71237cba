"""Whose page a view shows: that of an account, or the sign-in page of a login that is to become one."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from bridge.chat.visit import Visit
from bridge.worker.session import Session


class Stage(Protocol):
    """What a view needs to know of what it shows."""

    @property
    def session(self) -> Session | None:
        """Return the page that is open now."""
        ...

    def about(self) -> dict[str, Any]:
        """Return what the viewer is told of it, as JSON."""
        ...

    def held(self) -> AbstractAsyncContextManager[Visit]:
        """Have the page for a person, once nothing else is done in it; raise what stands in the way."""
        ...
