"""What a view shows: the page of an account, that of a remote login, or that of a site to be learned."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from playwright.async_api import BrowserContext, Page

from bridge.browser.page_window import PageWindow
from bridge.chat.operator_visit import Visit

MOVED = "moved"
"""The state of an account that another node has now, or is about to have."""


class ShownPage(Protocol):
    """An open page that a view shows, as `Session` has it."""

    @property
    def page(self) -> Page:
        """Return the page itself; it may have opened others in its context."""
        ...

    @property
    def context(self) -> BrowserContext:
        """Return its context."""
        ...

    @property
    def window(self) -> PageWindow | None:
        """Return its window, or None where nobody minimizes it."""
        ...

    @property
    def places(self) -> tuple[str, Sequence[str]]:
        """Return what a person may open by its address: the site's own address, and further hosts."""
        ...


class ViewTarget(Protocol):
    """A page that a view can show, which may be opened and closed meanwhile."""

    @property
    def session(self) -> ShownPage | None:
        """Return the page that is open now, or None."""
        ...

    def about(self) -> dict[str, Any]:
        """Return its description for the viewers, as JSON: `kind`, `name`, `state`, `reason` and more."""
        ...

    def held(self) -> AbstractAsyncContextManager[Visit]:
        """Wait until no chat runs in the page, and give it to a person; raises a `BridgeError` where that cannot be."""
        ...
