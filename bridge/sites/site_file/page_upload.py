"""Uploads the files of a prompt through the page's own input, and waits until the page has read them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from playwright.async_api import ElementHandle

from bridge.browser.page_messages import Reply
from bridge.chat.types import Attachment
from bridge.errors import BridgeError, FileRejected, NetworkError, SiteChanged, SiteError
from bridge.sites.contract import LeftSite
from bridge.sites.guarded_page import held
from bridge.sites.http_refusals import quote
from bridge.sites.prompt_files import named, on_disk, rejected
from bridge.sites.site_file.page_elements import LOOK_EVERY, PageElements, lacking
from bridge.sites.site_file.page_schema import Upload
from bridge.sites.site_file.refusal_rules import RefusalRules, said_in
from bridge.sites.site_file.schema import SiteFile

MOST_LEFT_OVER = 50
ORIGIN = "() => location.origin"
QUIET = 1.0
"""Seconds without an unanswered call after which the files count as sent, if nothing else shows that."""
NO_FILE = range(400, 500)
"""HTTP statuses of a call that blame the file, unless the site file or HTTP gives them another meaning."""
Notices = Callable[[], Awaitable[Sequence[str]]]


class FileCalls:
    """The last refusal of the page's own calls that upload files."""

    def __init__(self, site: SiteFile) -> None:
        self.paths = site.upload.calls if site.upload else ()
        self.refused: BridgeError | None = None
        self._rules = RefusalRules(site)

    def take(self, reply: Reply) -> None:
        """Record the refusal or failure of a call."""
        if not any(fnmatchcase(reply.path, path) for path in self.paths):
            return
        if reply.failure:
            self.refused = NetworkError(f"The page could not send the file ({reply.failure}).")
        elif error := self._rules.in_reply(reply, datetime.now(UTC)):
            is_unknown = isinstance(error, SiteChanged) and reply.response.status in NO_FILE
            why = f"it answers with HTTP {reply.response.status}"
            self.refused = FileRejected(said_in(reply) or why, param="messages") if is_unknown else error


class PageUpload:
    """The upload through one page; `may_act` is called right before the page gets the files."""

    def __init__(
        self,
        page: PageElements,
        upload: Upload,
        calls: FileCalls,
        has_open_commands: Callable[[], bool],
        may_act: Callable[[], None] = lambda: None,
    ) -> None:
        self._page = page
        self._upload = upload
        self._calls = calls
        self._has_open_commands = has_open_commands
        self._may_act = may_act
        self._was_busy = False
        """Whether the page has shown that it is reading a file."""

    async def attach(self, files: Sequence[Attachment], limit: float, notices: Notices) -> None:
        """Upload the files within `limit` seconds; raise `FileRejected` if the page rejects one."""
        await self._remove_left_over()
        self._calls.refused, self._was_busy = None, False
        field = await self._input()
        try:
            async with asyncio.timeout(limit), held(field), on_disk(files) as paths:
                self._may_act()
                await field.set_input_files(paths)
                while not await self._are_read(files, notices):
                    await asyncio.sleep(LOOK_EVERY)
                if not self._was_busy:
                    await self._sent()
                    await self._are_read(files, notices)  # it may have been refused meanwhile
        except TimeoutError as error:
            message = f"The site has not read {named(files)} within {limit:g} seconds (turn.upload)."
            raise SiteError(message) from error

    async def _are_read(self, files: Sequence[Attachment], notices: Notices) -> bool:
        upload = self._upload
        if upload.failed and await self._page.has((upload.failed,)):
            said = quote("; ".join(await self._page.texts((upload.failed,))))
            raise rejected(files, f"its page shows that it failed{f': {said}' if said else ''}")
        if shown := await notices():
            raise rejected(files, f"its page says: {quote('; '.join(shown))}")
        if (refused := self._calls.refused) is not None:
            raise rejected(files, refused.message) if isinstance(refused, FileRejected) else refused
        if upload.busy and await self._page.has((upload.busy,)):
            self._was_busy = True
            return False
        return await self._page.count((upload.card,)) >= len(files)

    async def _sent(self) -> None:
        """Wait until the page has sent the files, which it reads while sending; then they can be deleted."""
        clock = asyncio.get_running_loop().time
        quiet_since = clock()
        while clock() < quiet_since + QUIET:
            await asyncio.sleep(LOOK_EVERY)
            if self._has_open_commands():
                quiet_since = clock()

    async def _input(self) -> ElementHandle:
        """Return the page's file input, visible or not; raise `LeftSite` if it is not in a document of the site."""
        if (field := await self._find()) is None:
            for step in self._upload.open:
                await self._page.click_required((step,), "upload.open")
            field = await self._find()
        if field is None:
            raise lacking("upload.input", self._upload.input)
        if await field.evaluate(ORIGIN) != self._page.origin:
            raise LeftSite(self._page.page.url)
        return field

    async def _find(self) -> ElementHandle | None:
        for selector in self._upload.input:
            if (field := await self._page.query(selector)) is not None:
                return field
        return None

    async def _remove_left_over(self) -> None:
        """Remove the files of an earlier attempt from the composer."""
        for _ in range(MOST_LEFT_OVER):
            if not await self._page.count((self._upload.card,)):
                return
            if not self._upload.remove or not await self._page.click((self._upload.remove,)):
                break
        raise SiteChanged("The composer holds files of an earlier prompt, and they cannot be removed.")
