"""Gets what a chat's attachments only name: files that are kept here, and files at addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from bridge.api.attached import Remote, attachment
from bridge.api.fetch import fetch
from bridge.chat import Attachment, ChatRequest, Message
from bridge.errors import FileTooLarge, RequestError
from bridge.files import FileStore
from bridge.origins import Address, is_public
from bridge.settings import FileSettings

Fetched = dict[str, tuple[bytes, str]]
"""The bytes and media types of the addresses of one request: each is fetched once."""


class Gatherer:
    """Completes chats."""

    def __init__(
        self, store: FileStore, settings: FileSettings, may_reach: Callable[[Address], bool] = is_public
    ) -> None:
        self._store = store
        self._settings = settings
        self._may_reach = may_reach

    async def complete(self, chat: ChatRequest) -> ChatRequest:
        """Return the chat with all its files; raise a `RequestError` that names the field of one that is missing."""
        if not any(message.attachments for message in chat.messages):
            return chat
        try:
            async with asyncio.timeout(self._settings.url_limit):
                fetched: Fetched = {}
                messages = [await self._message(message, fetched) for message in chat.messages]
                return replace(chat, messages=tuple(messages))
        except TimeoutError:
            limit = self._settings.url_limit
            message = f"The files could not be fetched within {limit:g} seconds (files.url_limit)."
            raise RequestError(message, param="messages") from None

    async def _message(self, message: Message, fetched: Fetched) -> Message:
        return replace(message, attachments=tuple([await self._file(one, fetched) for one in message.attachments]))

    async def _file(self, given: Attachment, fetched: Fetched) -> Attachment:
        most, param = self._settings.max_bytes, given.param
        if not isinstance(given, Remote):
            if len(given.data) > most:
                raise FileTooLarge(f"{param}: the file may have {most} bytes (files.max_bytes).", param=param)
            return given
        if given.file_id:
            known = await asyncio.to_thread(self._store.one, given.file_id, param)
            path = self._store.path(known.id)
            return Attachment(known.name, known.media_type, b"", param, path, known.size, known.digest)
        if given.url not in fetched:
            fetched[given.url] = await self._fetch(given.url, param, fetched)
        data, media_type = fetched[given.url]
        return await asyncio.to_thread(attachment, given.name, media_type, data, param)

    async def _fetch(self, url: str, param: str, fetched: Fetched) -> tuple[bytes, str]:
        """Fetch a file, unless those of one request are too many, or too large together."""
        settings = self._settings
        if not settings.urls:
            message = f"{param}: addresses are not fetched here (files.urls); send a data URL or a file_id."
            raise RequestError(message, param=param)
        if len(fetched) >= (most := settings.max_prompt_files):
            raise RequestError(f"{param}: {most} addresses are fetched (files.max_prompt_files).", param=param)
        left = settings.max_prompt_bytes - sum(len(data) for data, _ in fetched.values())
        try:
            return await fetch(url, min(settings.max_bytes, left), param, self._may_reach)
        except FileTooLarge:
            if left >= settings.max_bytes:
                raise
            most = settings.max_prompt_bytes
            message = f"{param}: the files may have {most} bytes together (files.max_prompt_bytes)."
            raise FileTooLarge(message, param=param) from None
