"""What a view shows: the page of an account, of a remote login, or of a site to be learned."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from playwright.async_api import BrowserContext, Page

from bridge.browser.page_window import PageWindow
from bridge.chat.operator_visit import Visit

MOVED = "moved"
"""The state of an account that another node has or is about to take."""


class ShownPage(Protocol):
    """An open page that a view shows; `Session` is one."""

    @property
    def page(self) -> Page:
        """Return the page; it may have opened others in its context."""
        ...

    @property
    def context(self) -> BrowserContext:
        """Return the page's context."""
        ...

    @property
    def window(self) -> PageWindow | None:
        """Return the page's window, or None if it is never minimized."""
        ...

    @property
    def places(self) -> tuple[str, Sequence[str]]:
        """Return what the address line may open: the site's own address, and further hosts."""
        ...


class ViewTarget(Protocol):
    """The source of a view's page, which may open and close while the view lasts."""

    @property
    def session(self) -> ShownPage | None:
        """Return the page that is open now, or None."""
        ...

    def about(self) -> dict[str, Any]:
        """Return the description for the viewers, as JSON: `kind`, `name`, `state`, `reason` and more."""
        ...

    def held(self) -> AbstractAsyncContextManager[Visit]:
        """Wait until no chat runs in the page, and give it to a person; raises `BridgeError` if that is impossible."""
        ...
