"""What the page shows of its state: signs of being signed in or out, and of a check that wants a human.

A sign may be an answer to one of the page's own calls, such as that for the user: the newest one of each path counts.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from bridge.browser.page_messages import Reply
from bridge.sites.lenient_json import parse_json
from bridge.sites.site_file.conditions import holds
from bridge.sites.site_file.page_elements import PageElements
from bridge.sites.site_file.page_schema import Sign

LONGEST_REPLY = 1 << 20
"""Bytes of an answer that are read for a sign."""


class _Answer(NamedTuple):
    status: int
    document: Any


class PageSigns:
    """Looks for signs on one page; `take` is given the answers to the page's own calls."""

    def __init__(self, page: PageElements, paths: Sequence[str]) -> None:
        self._page = page
        self._paths = paths
        self._answers: dict[str, _Answer] = {}

    def take(self, reply: Reply) -> None:
        """Note an answer to one of the page's calls."""
        if reply.failure or not any(fnmatchcase(reply.path, path) for path in self._paths):
            return
        status = reply.response.status
        if reply.body is not None and len(reply.body) <= LONGEST_REPLY:
            self._answers[reply.path] = _Answer(status, parse_json(reply.body.decode("utf-8", "replace")))
        elif status >= 400:
            self._answers[reply.path] = _Answer(status, None)

    def forget(self) -> None:
        """Forget what the page's calls were answered: it is loaded anew, and makes them again."""
        self._answers.clear()

    async def seen(self, signs: Iterable[Sign]) -> Sign | None:
        """Return the first sign that is there; all are looked for at once."""
        signs = tuple(signs)
        found = await asyncio.gather(*map(self._is_there, signs))
        return next((sign for sign, is_there in zip(signs, found, strict=True) if is_there), None)

    async def _is_there(self, sign: Sign) -> bool:
        if sign.selector is not None:
            return await self._is_shown(sign.selector, sign.text)
        if sign.url is not None:
            return re.search(sign.url, self._page.page.url) is not None
        if sign.storage is not None:
            return bool(await self._page.stored(sign.storage))
        if sign.cookie is not None:
            cookies = await self._page.page.context.cookies(self._page.origin)
            return any(cookie.get("name") == sign.cookie and cookie.get("value") for cookie in cookies)
        return self._is_answered(sign)

    async def _is_shown(self, selector: str, text: str | None) -> bool:
        if text is None:
            return await self._page.has((selector,))
        return any(re.search(text, shown) for shown in await self._page.texts((selector,)))

    def _is_answered(self, sign: Sign) -> bool:
        answers = [answer for path, answer in self._answers.items() if fnmatchcase(path, sign.call or "")]
        return any(holds(sign.when, answer.document, {"$status": answer.status}) for answer in answers)


def paths_of(signs: Iterable[Sign]) -> tuple[str, ...]:
    """Return the paths of the page's own calls that signs are about."""
    return tuple(dict.fromkeys(sign.call for sign in signs if sign.call))
