"""Builds and reads the addresses of a site's new chat and of its conversations; no I/O."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from bridge.sites.site_file.schema import SiteFile

ID = "{id}"


class ChatAddress:
    """The chat addresses of one site at `url`."""

    def __init__(self, site: SiteFile, url: str) -> None:
        self._url = url
        self.new_chat = url + site.new_chat_url
        self._template = site.conversation_url
        path, _, query = (site.conversation_url or "").partition("?")
        before, found, behind = path.partition(ID)
        self._path = re.compile(re.escape(before) + r"([^/?#]+)" + re.escape(behind) + "/?") if found else None
        self._new_path = urlsplit(site.new_chat_url).path.rstrip("/")
        self._key = next((key for key, value in parse_qsl(query) if value == ID), None)

    def of(self, conversation: str) -> str | None:
        """Return the address of a conversation; None if the site's conversations have no addresses."""
        if self._template is None:
            return None
        return self._url + self._template.replace(ID, quote(conversation, safe=""))

    def conversation_in(self, address: str) -> str | None:
        """Return the conversation id in an address; None if it is not the address of a conversation."""
        parts = urlsplit(address)
        if self._path is not None:
            if parts.path.rstrip("/") == self._new_path:  # such as /chats/new beside /chats/{id}
                return None
            found = self._path.fullmatch(parts.path)
            return unquote(found[1]) if found else None
        if self._key is not None:
            return dict(parse_qsl(parts.query)).get(self._key)
        return None
