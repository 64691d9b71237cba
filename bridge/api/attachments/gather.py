"""Fetches the attachments of a chat that are ids of stored files or addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bridge.api.attachments.content_parts import Remote, attachment
from bridge.api.attachments.fetch import fetch
from bridge.api.attachments.stored_files import StoredFiles
from bridge.chat.history_digests import split
from bridge.chat.prompt import LEFT_OUT
from bridge.chat.types import Attachment, ChatRequest, Message
from bridge.errors import FileTooLarge, RequestError
from bridge.origins import Address, is_public
from bridge.settings import FileSettings


@dataclass(slots=True)
class Fetched:
    """The files fetched for one request, and the event loop's time until which fetching may take."""

    until: float
    files: dict[str, tuple[bytes, str] | None] = field(default_factory=dict)
    """Bytes and media type by address; None for an address that failed, which is not tried again."""

    @property
    def size(self) -> int:
        """Return the total bytes."""
        return sum(len(found[0]) for found in self.files.values() if found)


class Gatherer:
    """Completes chats with their files."""

    def __init__(
        self, files: StoredFiles, settings: FileSettings, may_reach: Callable[[Address], bool] = is_public
    ) -> None:
        self._files = files
        self._settings = settings
        self._may_reach = may_reach

    async def complete(self, chat: ChatRequest) -> ChatRequest:
        """Return the chat with all its files; raise a `RequestError` that names the field of a missing one.

        Only files of the user's new messages are required: clients resend their history, while addresses and stored
        files disappear. New messages come first, so that old ones do not use up the limits.
        """
        if not any(message.attachments for message in chat.messages):
            return chat
        fetched = Fetched(asyncio.get_running_loop().time() + self._settings.url_limit)
        old, new = split(chat.messages)
        new = [await self._message(message, fetched, is_strict=message.role == "user") for message in new]
        old = [await self._message(message, fetched, is_strict=False) for message in old]
        return replace(chat, messages=(*old, *new))

    async def _message(self, message: Message, fetched: Fetched, *, is_strict: bool) -> Message:
        if not message.attachments:
            return message
        texts, files = [message.text] if message.text else [], []
        for given in message.attachments:
            try:
                files.append(await self._file(given, fetched))
            except RequestError:
                if is_strict:
                    raise
                texts.append(LEFT_OUT)
        return replace(message, text="\n".join(texts), attachments=tuple(files))

    async def _file(self, given: Attachment, fetched: Fetched) -> Attachment:
        most, param = self._settings.max_bytes, given.param
        if not isinstance(given, Remote):
            if len(given.data) > most:
                raise FileTooLarge(f"{param}: a file may have at most {most} bytes (files.max_bytes).", param=param)
            return given
        if given.file_id:
            known, path = await self._files.path(given.file_id, param)
            return Attachment(known.name, known.media_type, b"", param, path, known.size, known.digest)
        if given.url not in fetched.files:
            fetched.files[given.url] = None
            fetched.files[given.url] = await self._fetch(given.url, param, fetched)
        if (found := fetched.files[given.url]) is None:
            raise RequestError(f"{param} could not be fetched.", param=param)
        data, media_type = found
        return await asyncio.to_thread(attachment, given.name, media_type, data, param)

    async def _fetch(self, url: str, param: str, fetched: Fetched) -> tuple[bytes, str]:
        """Fetch a file, within the limits on number and size of the files of one request."""
        settings = self._settings
        if not settings.urls:
            message = f"{param}: this bridge does not fetch addresses (files.urls); send a data URL or a file_id."
            raise RequestError(message, param=param)
        if len(fetched.files) > (most := settings.max_prompt_files):
            message = f"{param}: at most {most} addresses are fetched (files.max_prompt_files)."
            raise RequestError(message, param=param)
        left = settings.max_prompt_bytes - fetched.size
        try:
            async with asyncio.timeout_at(fetched.until):
                return await fetch(url, min(settings.max_bytes, left), param, self._may_reach)
        except TimeoutError:
            limit = settings.url_limit
            message = f"{param}: the files could not be fetched within {limit:g} seconds (files.url_limit)."
            raise RequestError(message, param=param) from None
        except FileTooLarge:
            if left >= settings.max_bytes:
                raise
            most = settings.max_prompt_bytes
            message = f"{param}: all files together may have at most {most} bytes (files.max_prompt_bytes)."
            raise FileTooLarge(message, param=param) from None
