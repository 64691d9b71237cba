"""What a view shows: the page of an account, or the sign-in page of a remote login."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from bridge.chat.operator_visit import Visit
from bridge.worker.page_session import Session


class ViewTarget(Protocol):
    """A page that a view can show, which may be opened and closed meanwhile."""

    @property
    def session(self) -> Session | None:
        """Return the page that is open now, or None."""
        ...

    def about(self) -> dict[str, Any]:
        """Return its description for the viewers, as JSON: `kind`, `name`, `state`, `reason` and more."""
        ...

    def held(self) -> AbstractAsyncContextManager[Visit]:
        """Wait until no chat runs in the page, and give it to a person; raises a `BridgeError` where that cannot be."""
        ...
