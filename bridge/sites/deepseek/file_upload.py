"""Uploads files through the page's own file input, and reads the site's replies to the page.

A file counts as accepted once the site has read it. `Uploads` interprets those replies, without I/O.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Page, Request, Response

from bridge.browser.page_messages import PageResponse
from bridge.chat.types import Attachment
from bridge.errors import (
    BridgeError,
    BrowserError,
    SiteChanged,
    SiteError,
    UnknownConversation,
)
from bridge.sites.contract import Turn
from bridge.sites.deepseek.page import DeepSeekPage
from bridge.sites.deepseek.refusals import refused_by_body
from bridge.sites.deepseek.request_check import wants_sight
from bridge.sites.guarded_page import held
from bridge.sites.http_refusals import quote, refused_by_status
from bridge.sites.prompt_files import named, on_disk, rejected

UPLOAD = "/api/v0/file/upload_file"
FORK = "/api/v0/file/fork_file_task"
LOOK = "/api/v0/file/fetch_files"
READING = ("PENDING", "PARSING")
READ = "SUCCESS"
STILL = 1.0
"""Seconds without any call about files after which the page's notices are read."""


class Uploads:
    """The states of one prompt's files, as the site reports them."""

    def __init__(self, attachments: Sequence[Attachment]) -> None:
        self._attachments = attachments
        self._states: dict[str, str] = {}
        self._names: dict[str, str] = {}

    @property
    def ids(self) -> frozenset[str]:
        """Return the ids that the site assigned to the files."""
        return frozenset(self._states)

    @property
    def is_done(self) -> bool:
        """Tell whether the site has read all files."""
        is_read = [state == READ for state in self._states.values()]
        return all(is_read) and len(is_read) >= len(self._attachments)

    @property
    def missing(self) -> Sequence[Attachment]:
        """Return the files that the site has not read."""
        read = [self._names[id_] for id_, state in self._states.items() if state == READ]
        return [one for one in self._attachments if one.name not in read] or self._attachments

    def handle(self, response: PageResponse, path: str, body: bytes, size: str = "") -> None:
        """Handle one reply of the site; `size` is the file's size as the page sent it, or empty.

        Raises `FileRejected` for a bad file, else the error that a refusal means for the account.
        """
        now = datetime.now(UTC)
        about = [one for one in self._attachments if str(one.size) == size] or self._attachments
        if 400 <= response.status < 500 and response.status not in (401, 403, 429):
            raise rejected(about, f"HTTP {response.status}")
        if refused := refused_by_status(response, now):
            raise refused
        data = _data_of(body)
        if data is None:
            refusal = refused_by_body(body, now)
            raise rejected(about, refusal.message) if type(refusal) in (SiteError, UnknownConversation) else refusal
        if path == LOOK:
            for file in data.get("files") or ():
                self._note(file, is_ours=file.get("id") in self._states)
        else:
            self._note(data, is_ours=True)

    def _note(self, file: dict[str, Any], *, is_ours: bool) -> None:
        id_, state = file.get("id"), file.get("status")
        if not is_ours:
            return
        if not isinstance(id_, str) or not isinstance(state, str):
            raise SiteChanged("The site's answer to an upload has no id or status.")
        self._states[id_] = state
        name = self._names[id_] = str(file.get("file_name") or self._names.get(id_) or self._attachments[0].name)
        if state not in (*READING, READ):
            about = [one for one in self._attachments if one.name == name] or self._attachments
            why = " ".join(filter(None, (state, quote(file.get("error_code")))))
            raise rejected(about, f"it could not read it: {why}")


async def upload(
    shown: DeepSeekPage,
    turn: Turn,
    limit: float,
    notices: Callable[[], Awaitable[Sequence[str]]],
    may_act: Callable[[], None],
) -> frozenset[str]:
    """Upload the files through the page and wait until the site has read them; return the ids that it assigned.

    `may_act` is called right before the page gets the files. Images need the vision model, which is chosen if the page
    offers it; it does so only before the first prompt.
    """
    if wants_sight(turn):
        await shown.click("visionModel")
    field = await shown.find("fileInput")
    if field is None:
        raise SiteChanged("The page's control 'file input' was not found.")
    files = turn.attachments
    uploads = Uploads(files)
    try:
        async with (
            asyncio.timeout(limit),
            held(field),
            on_disk(files) as paths,
            _calls(shown.page, files) as calls,
        ):
            may_act()
            await field.set_input_files(paths)
            while not uploads.is_done:
                response = await calls.next()
                if response is not None:
                    await _handle(uploads, response)
                elif says := await notices():
                    raise rejected(uploads.missing, f"its page says: {quote('; '.join(says))}")
    except TimeoutError as error:
        what = named(uploads.missing)
        raise SiteError(f"The site has not read {what} within {limit:g} seconds (turn.upload).") from error
    return uploads.ids


class _Calls:
    """A queue of the replies to the page's calls about files."""

    def __init__(self, files: Sequence[Attachment]) -> None:
        self._files = named(files)
        self._replies: asyncio.Queue[Response | BridgeError] = asyncio.Queue()
        self._open = 0

    async def next(self) -> Response | None:
        """Return the next reply, or None after `STILL` seconds without an open call; raise an error from the queue."""
        while True:
            try:
                async with asyncio.timeout(STILL):
                    reply = await self._replies.get()
            except TimeoutError:
                if self._open:
                    continue
                return None
            if isinstance(reply, BridgeError):
                raise reply
            return reply

    def on_request(self, request: Request) -> None:
        """Count a call that began."""
        self._open += _is_about_files(request)

    def on_response(self, response: Response) -> None:
        """Queue a reply."""
        if _is_about_files(response.request):
            self._open -= 1
            self._replies.put_nowait(response)

    def on_failure(self, request: Request) -> None:
        """Queue the error of a failed upload; the page may repeat any other call."""
        self._open -= _is_about_files(request)
        if urlsplit(request.url).path == UPLOAD:
            self._replies.put_nowait(SiteError(f"The upload of {self._files} broke off."))

    def on_end(self, _: Page) -> None:
        """Queue the error of a page that crashed or closed."""
        self._replies.put_nowait(BrowserError("The page was lost in the middle of an upload."))


@asynccontextmanager
async def _calls(page: Page, files: Sequence[Attachment]) -> AsyncGenerator[_Calls]:
    calls = _Calls(files)
    listeners: tuple[tuple[Any, Callable[[Any], None]], ...] = (
        ("request", calls.on_request),
        ("response", calls.on_response),
        ("requestfailed", calls.on_failure),
        ("crash", calls.on_end),
        ("close", calls.on_end),
    )
    for event, listener in listeners:
        page.on(event, listener)
    try:
        yield calls
    finally:
        for event, listener in listeners:
            page.remove_listener(event, listener)


async def _handle(uploads: Uploads, response: Response) -> None:
    seen = PageResponse(response.url, response.status, response.headers)
    size = response.request.headers.get("x-file-size", "")
    uploads.handle(seen, urlsplit(response.url).path, await response.body(), size)


def _is_about_files(request: Request) -> bool:
    return urlsplit(request.url).path in (UPLOAD, FORK, LOOK)


def _data_of(body: bytes) -> dict[str, Any] | None:
    """Return the data of a reply, or None if the site refused the call."""
    try:
        document = json.loads(body)
        data = document["data"]
        is_fine = document["code"] == 0 and data["biz_code"] == 0 and isinstance(data["biz_data"], dict)
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    return data["biz_data"] if is_fine else None
