"""The dialogs of a page that a person must answer: JavaScript dialogs and file choosers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from playwright.async_api import BrowserContext, Dialog, FileChooser, FilePayload, Page
from playwright.async_api import Error as PlaywrightError

from bridge.browser.page_calls import within
from bridge.errors import BrowserError
from bridge.liveview.viewer_messages import Answer, Upload
from bridge.tasks import Tasks

MOST = 10
"""Most dialogs that wait for an answer; further ones are dismissed."""
LONGEST = 2000
"""Most characters of a dialog's message that are shown."""
LARGEST_UPLOAD = 25 * 2**20
"""Most bytes of all files together."""
LIMIT = 10.0


class PageDialogs:
    """Collects the dialogs of all pages of a context; `close` dismisses the open ones.

    Without a listener Playwright dismisses dialogs by itself and ignores file choosers.
    """

    def __init__(self, context: BrowserContext, changed: Callable[[], None], to_viewer: Callable[..., None]) -> None:
        self._context = context
        self._changed = changed
        self._to_viewer = to_viewer
        self._open: dict[str, Dialog | FileChooser] = {}
        self._number = 0
        self._tasks = Tasks()
        self._upload: Upload | None = None
        self._bytes = bytearray()
        context.on("dialog", self._on_dialog)
        context.on("page", self._watch)
        for page in context.pages:
            self._watch(page)

    @property
    def first(self) -> dict[str, Any] | None:
        """Return the dialog to answer next, as JSON for the viewer."""
        for number, question in self._open.items():
            if isinstance(question, Dialog):
                words = {"text": question.message[:LONGEST], "value": question.default_value[:LONGEST]}
                return {"id": number, "kind": question.type, **words}
            return {"id": number, "kind": "files", "multiple": question.is_multiple(), "most": LARGEST_UPLOAD}
        return None

    def answer(self, answer: Answer) -> None:
        """Answer a dialog; an unknown id is ignored."""
        question = self._open.pop(answer.id, None)
        if isinstance(question, Dialog):
            self._tasks.start(_answered(question, accept=answer.accept, text=answer.text))
        self._upload = None
        self._changed()

    def begin_upload(self, upload: Upload) -> None:
        """Begin an upload, whose bytes follow; refuse one that is too large with a notice."""
        size = sum(file.size for file in upload.files)
        if not isinstance(self._open.get(upload.id), FileChooser):
            return
        if size > LARGEST_UPLOAD:
            text = f"These files have {size / 2**20:.0f} MiB; the limit is {LARGEST_UPLOAD // 2**20} MiB."
            self._to_viewer("notice", level="warn", text=text)
            return
        self._upload, self._bytes = upload, bytearray()
        self.receive(b"")

    def receive(self, piece: bytes) -> None:
        """Append the next bytes of the files; when all are there, give the files to the page."""
        upload = self._upload
        if upload is None:
            return
        size = sum(file.size for file in upload.files)
        self._bytes += piece[: size - len(self._bytes)]
        if len(self._bytes) == size:
            question = self._open.pop(upload.id, None)
            files, self._upload = _cut(upload, bytes(self._bytes)), None
            self._bytes = bytearray()
            if isinstance(question, FileChooser):
                self._tasks.start(self._put(question, files))
            self._changed()

    async def close(self) -> None:
        """Dismiss the open dialogs, but accept `beforeunload`, so that the page can be left."""
        with suppress(KeyError):
            self._context.remove_listener("dialog", self._on_dialog)
            self._context.remove_listener("page", self._watch)
        for page in self._context.pages:
            with suppress(KeyError):
                page.remove_listener("filechooser", self._on_chooser)
        left = [one for one in self._open.values() if isinstance(one, Dialog)]
        self._open.clear()
        await asyncio.gather(*(_answered(dialog, accept=dialog.type == "beforeunload") for dialog in left))
        await self._tasks.close()

    def _watch(self, page: Page) -> None:
        page.on("filechooser", self._on_chooser)

    def _on_dialog(self, dialog: Dialog) -> None:
        if len(self._open) >= MOST:
            self._tasks.start(_answered(dialog, accept=False))
        else:
            self._ask(dialog)

    def _on_chooser(self, chooser: FileChooser) -> None:
        if len(self._open) < MOST:
            self._ask(chooser)

    def _ask(self, question: Dialog | FileChooser) -> None:
        self._number += 1
        self._open[str(self._number)] = question
        self._changed()

    async def _put(self, chooser: FileChooser, files: list[FilePayload]) -> None:
        try:
            async with within(LIMIT, "The page did not accept the files"):
                await chooser.set_files(files)
        except BrowserError:
            self._to_viewer("notice", level="warn", text="The page did not accept these files.")


async def _answered(dialog: Dialog, *, accept: bool, text: str = "") -> None:
    with suppress(PlaywrightError, BrowserError):
        async with within(LIMIT, "The dialog did not close"):
            if not accept:
                await dialog.dismiss()
            elif dialog.type == "prompt":
                await dialog.accept(text)
            else:
                await dialog.accept()


def _cut(upload: Upload, data: bytes) -> list[FilePayload]:
    """Split `data` into the files, which it holds one after another."""
    files, start = list[FilePayload](), 0
    for file in upload.files:
        name = file.name.replace("\\", "/").rpartition("/")[2] or "file"
        mime = file.mime or "application/octet-stream"
        files.append({"name": name, "mimeType": mime, "buffer": data[start : start + file.size]})
        start += file.size
    return files
