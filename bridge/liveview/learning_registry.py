"""Site learnings, one at a time, and those that ended recently; implements `interface.SiteLearnings`."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from bridge.browser.browser import Chromium
from bridge.errors import AccountConflict, PoolError, RequestError, SetupError, UnknownAccount
from bridge.liveview.interface import Learning
from bridge.liveview.site_learning_target import SiteLearningTarget
from bridge.login.site_learning import SITE_NAME, Lesson, name_of
from bridge.origins import OPAQUE, origin_of
from bridge.settings import PageSettings
from bridge.sites.known_sites import find_site
from bridge.tasks import Tasks

KEPT = 3600.0
"""Seconds for which a learning that has ended, with its file and its fields, can still be looked up."""
LARGEST = 1 << 20
"""Most bytes of a site file that are returned."""
STOPPED = "The bridge is stopping."


class LearningRegistry:
    """Begins, finds and ends site learnings; calls `changed` with the id of one that changed."""

    def __init__(self, chromium: Chromium, settings: PageSettings, changed: Callable[[str], None]) -> None:
        self._chromium = chromium
        self._settings = settings
        self._changed = changed
        self._known: dict[str, SiteLearningTarget] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks = Tasks()
        self._is_closed = False

    async def begin(self, url: str, name: str | None) -> Learning:
        """Begin to learn a site; see `SiteLearnings`."""
        lesson = await asyncio.to_thread(_lesson, url, name, self._settings.folders.site_files)
        if self._is_closed:
            raise PoolError(STOPPED)
        if open_one := next((one for one in self._known.values() if one.ended_at is None), None):
            raise AccountConflict(
                f"The site {open_one.lesson.name} is being learned; only one site can be learned at a time."
            )
        id = secrets.token_urlsafe(12)  # noqa: A001
        target = SiteLearningTarget(id, lesson, self._chromium, self._settings, lambda: self._changed(id))
        self._known[id], self._running[id] = target, self._tasks.start(target.run())
        return target.learning()

    def all(self) -> list[Learning]:
        """Return all learnings; see `SiteLearnings`."""
        self._sweep()
        return [one.learning() for one in self._known.values()]

    def one(self, id: str) -> Learning:  # noqa: A002
        """Return a learning; see `SiteLearnings`."""
        return self.target(id).learning()

    def target(self, id: str) -> SiteLearningTarget:  # noqa: A002
        """Return the target of a learning's view; raises `UnknownAccount`."""
        self._sweep()
        if (target := self._known.get(id)) is None:
            raise UnknownAccount("There is no site learning with this id, or it ended some time ago.")
        return target

    def send(self, id: str) -> Learning:  # noqa: A002
        """Let the bridge send the prompt; see `SiteLearnings`."""
        target = self.target(id)
        target.send()
        return target.learning()

    async def site_file(self, id: str) -> bytes:  # noqa: A002
        """Return the content of the site file; see `SiteLearnings`."""
        path = self.one(id).file
        try:
            return await asyncio.to_thread(_read, Path(path)) if path else _missing()
        except OSError:
            return _missing()

    async def give_up(self, id: str) -> Learning:  # noqa: A002
        """Cancel a learning; see `SiteLearnings`."""
        target = self.target(id)
        self._running[id].cancel()
        await asyncio.wait({self._running[id]})
        target.give_up()  # not done by a task that was cancelled before it began
        return target.learning()

    async def close(self) -> None:
        """End all learnings, and refuse new ones."""
        self._is_closed = True
        await self._tasks.close()
        for target in self._known.values():
            target.give_up()

    def _sweep(self) -> None:
        for id, target in tuple(self._known.items()):  # noqa: A001
            if target.ended_at is not None and time.monotonic() > target.ended_at + KEPT:
                del self._known[id], self._running[id]


def _lesson(url: str, name: str | None, folder: Path) -> Lesson:
    """Return the checked lesson; raise a `RequestError` that names the field."""
    url = url.strip()
    if not url.isprintable() or origin_of(url) == OPAQUE or urlsplit(url).username is not None:
        raise RequestError("url: give the address of an empty chat, with https:// or http://.", param="url")
    name = name or name_of(url)
    if not SITE_NAME.fullmatch(name):
        raise RequestError(
            "name: a site's name has only small letters, digits and -, and begins with a letter.", param="name"
        )
    path = folder / f"{name}.toml"
    if path.exists():
        raise RequestError(f"name: there is a site file {path} already; choose another name.", param="name")
    if _is_known(name, folder):
        raise RequestError(f"name: the bridge knows a site {name} already; choose another name.", param="name")
    return Lesson(url, name, path)


def _is_known(name: str, folder: Path) -> bool:
    try:
        find_site(name, folder)
    except SetupError:
        return False
    return True


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST)


def _missing() -> bytes:
    raise UnknownAccount("This site learning has no site file.")
