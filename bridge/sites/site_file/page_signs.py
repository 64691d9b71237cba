"""Looks for signs of the page's state: signed in, signed out, a check for a human.

A sign may be the reply to one of the page's own calls, such as the one for the user: the newest of each path counts.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from bridge.browser.page_calls import NO_NET_ERRORS
from bridge.browser.page_messages import Reply
from bridge.errors import BridgeError, NetworkError
from bridge.sites.http_refusals import overload
from bridge.sites.lenient_json import parse_json
from bridge.sites.site_file.conditions import When, holds
from bridge.sites.site_file.page_elements import PageElements
from bridge.sites.site_file.page_schema import Sign

NOTHING = ("", "null")
"""Bodies of replies without content."""
LONGEST_REPLY = 1 << 20
"""The longest reply that is read for a sign, in bytes."""
STATUS = "$status"


class _Answer(NamedTuple):
    status: int
    """The HTTP status; 0 if no reply came."""
    document: Any = None
    is_read: bool = False
    """Whether the document is the site's reply, also `null` or an empty one, but not a proxy's web page."""

    @property
    def failure(self) -> BridgeError | None:
        """Return why it says nothing about the account, if the site itself did not answer."""
        if self.status:
            return overload(self.status)
        return NetworkError("The site, or the network on the way to it, is down.")

    def shows(self, when: When) -> bool:
        """Tell whether it meets the conditions; a failed reply, or one that is not JSON, does not count as lacking."""
        is_clear = STATUS in when or self.status == 401 or (self.is_read and self.failure is None)
        return is_clear and holds(when, self.document, {STATUS: self.status})


class PageSigns:
    """The signs of one page; `take` receives the replies to the page's own calls."""

    def __init__(self, page: PageElements, paths: Sequence[str]) -> None:
        self._page = page
        self._paths = paths
        self._answers: dict[str, _Answer] = {}

    def take(self, reply: Reply) -> None:
        """Record the reply to one of the page's calls."""
        if reply.failure in NO_NET_ERRORS or not any(fnmatchcase(reply.path, path) for path in self._paths):
            return
        status = 0 if reply.failure else reply.response.status
        if status and reply.body is not None and len(reply.body) <= LONGEST_REPLY:
            text = reply.body.decode("utf-8", "replace").strip()
            document = parse_json(text)
            self._answers[reply.path] = _Answer(status, document, document is not None or text in NOTHING)
        elif not status or status >= 400:
            self._answers[reply.path] = _Answer(status)

    @property
    def failure(self) -> BridgeError | None:
        """Return why the calls say nothing about the account, if the site or the network failed all of them."""
        failures = [answer.failure for answer in self._answers.values()]
        return failures[0] if failures and all(failures) else None

    def forget(self) -> None:
        """Forget the replies, because the page is reloaded and repeats its calls."""
        self._answers.clear()

    async def seen(self, signs: Iterable[Sign]) -> Sign | None:
        """Return the first sign that is there; all are looked for concurrently."""
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
        return any(answer.shows(sign.when) for answer in answers)


def paths_of(signs: Iterable[Sign]) -> tuple[str, ...]:
    """Return the paths of the page's own calls that the signs refer to."""
    return tuple(dict.fromkeys(sign.call for sign in signs if sign.call))
