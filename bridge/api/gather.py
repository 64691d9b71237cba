"""Gets what a chat's attachments only name: files that are kept here, and files at addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from bridge.api.attached import Remote, attachment
from bridge.api.fetch import Address, fetch, is_public
from bridge.chat import Attachment, ChatRequest, Message
from bridge.errors import FileTooLarge, RequestError
from bridge.files import FileStore
from bridge.settings import FileSettings


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
                return replace(chat, messages=tuple([await self._message(message) for message in chat.messages]))
        except TimeoutError:
            limit = self._settings.url_limit
            message = f"The files could not be fetched within {limit:g} seconds (files.url_limit)."
            raise RequestError(message, param="messages") from None

    async def _message(self, message: Message) -> Message:
        return replace(message, attachments=tuple([await self._file(one) for one in message.attachments]))

    async def _file(self, given: Attachment) -> Attachment:
        most, param = self._settings.max_bytes, given.param
        if not isinstance(given, Remote):
            if len(given.data) > most:
                raise FileTooLarge(f"{param}: the file may have {most} bytes (files.max_bytes).", param=param)
            return given
        if given.file_id:
            known = await asyncio.to_thread(self._store.one, given.file_id, param)
            path = self._store.path(known.id)
            return Attachment(known.name, known.media_type, b"", param, path, known.size, known.digest)
        if not self._settings.urls:
            message = f"{param}: addresses are not fetched here (files.urls); send a data URL or a file_id."
            raise RequestError(message, param=param)
        data, media_type = await fetch(given.url, most, param, self._may_reach)
        return attachment(given.name, media_type, data, param)
