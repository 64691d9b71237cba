"""Restores the localStorage and the sessionStorage of a login in an account's own page.

Playwright would open another page for that, and so start a process, each time an account is opened. It restores only
what this module cannot: cookies, IndexedDB, and the localStorage of other origins.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from playwright.async_api import BrowserContext, Page
from playwright.async_api import Error as PlaywrightError

from bridge.browser.page_calls import within
from bridge.browser.tab_session import TabSession
from bridge.errors import BrowserError
from bridge.origins import origin_of
from bridge.storage.profiles import Profile
from bridge.tasks import Tasks

RESTORE_SESSION_STORAGE = """(stored => {
  const items = stored.find(([origin]) => origin === location.origin)?.[1] ?? [];
  if (items.length && !sessionStorage.length) for (const [key, value] of items) sessionStorage.setItem(key, value);
})(%s)"""
READ_SESSION_STORAGE = """() => {
  const names = Array.from({length: sessionStorage.length}, (_, number) => sessionStorage.key(number));
  return [location.origin, names.map(name => [name, sessionStorage.getItem(name)])];
}"""
RESTORE_LOCAL_STORAGE = """(([origin, items]) => {
  if (window !== top || location.origin !== origin || localStorage.length) return;
  for (const [key, value] of items) localStorage.setItem(key, value);
})(%s)"""


async def restore_session_storage(context: BrowserContext, profile: Profile, limit: float) -> None:
    """Make each page of the context start with the profile's sessionStorage, within `limit` seconds."""
    if profile.session_storage:
        async with within(limit, "The browser did not take the session storage"):
            stored = [(origin, [*items.items()]) for origin, items in profile.session_storage.items()]
            await context.add_init_script(RESTORE_SESSION_STORAGE % json.dumps(stored))


async def read_session_storage(page: Page) -> tuple[str, dict[str, str]]:
    """Return the page's origin and its sessionStorage."""
    origin, items = await page.evaluate(READ_SESSION_STORAGE)
    return origin, dict(items)


class LocalStorage:
    """The localStorage of a profile for the site's origin, restored in that origin's first document in a context."""

    def __init__(self, profile: Profile) -> None:
        self._origin = origin_of(profile.url)
        state = profile.storage_state
        # a browser's own folder already has the items
        own = [] if profile.user_data_dir else [one for one in state["origins"] if self._is_own(one)]
        self._items = [(item["name"], item["value"]) for one in own for item in one["localStorage"]]
        self.rest = {**state, "origins": [one for one in state["origins"] if one not in own]}
        """The storage state without these items, for Playwright."""
        self._tasks = Tasks()

    def _is_own(self, stored: Any) -> bool:
        """Tell whether an entry has only items of the origin; Playwright handles other formats."""
        if not isinstance(stored, dict) or stored.get("origin") != self._origin or stored.get("indexedDB"):
            return False
        items = stored.get("localStorage")
        return isinstance(items, list) and all(
            isinstance(item, dict) and isinstance(item.get("name"), str) and isinstance(item.get("value"), str)
            for item in items
        )

    async def put(self, tab: TabSession) -> None:
        """Restore the items in the page's first document of the origin, unless another page has done so.

        A later document is unchanged, or a page that logs out would be logged in again: the script is removed at that
        first document; if the next one comes before the removal, its localStorage is not empty.
        """
        if not self._items:
            return
        source = RESTORE_LOCAL_STORAGE % json.dumps([self._origin, self._items])
        added = await tab.send("Page.addScriptToEvaluateOnNewDocument", source=source)

        async def remove(script: str) -> None:
            with suppress(PlaywrightError, BrowserError):  # the page is gone
                await tab.send("Page.removeScriptToEvaluateOnNewDocument", identifier=script)

        def on_document(event: dict[str, Any]) -> None:
            frame = event["frame"]
            if added and frame.get("parentId") is None and origin_of(frame["url"]) == self._origin:
                self._items.clear()  # only now, as a redirected page may be closed before it gets here
                self._tasks.start(remove(added.pop("identifier")))

        tab.on("Page.frameNavigated", on_document)

    async def aclose(self) -> None:
        """Stop removing scripts."""
        await self._tasks.close()
