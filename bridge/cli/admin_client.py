"""A client of the admin API, for the commands that control a running bridge."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bridge.client import ACCOUNTS, ANSWER_LIMIT, CHECK_LIMIT, Client, way_to
from bridge.settings import ServerSettings
from bridge.sse import SSEDecoder
from bridge.storage.profiles import check_name

LOGINS = "/admin/api/logins"

Json = dict[str, Any]


class AdminClient(Client):
    """A client of the admin API of the bridge at `url`; results have the shapes of its OpenAPI document."""

    async def act(self, account: str, action: str) -> Json:
        """Run an action on an account: check, pause, resume, wake, sleep, reopen or renew."""
        return await self._of(account, "POST", f"/{action}")

    async def rename(self, account: str, to: str) -> Json:
        """Rename an account."""
        return await self._of(account, "POST", "/rename", {"to": to})

    async def remove(self, account: str) -> Json:
        """Remove an account."""
        return await self._of(account, "DELETE", "")

    async def usage(self, since: str, by: str) -> Json:
        """Return the usage of the keys on all nodes."""
        found: Json = await self._get(f"/admin/api/usage?since={quote(since, '')}&by={quote(by, '')}")
        return found

    async def state(self) -> Json:
        """Return the state that the dashboard shows."""
        found: Json = await self._get("/admin/api/state")
        return found

    async def states(self) -> AsyncGenerator[Json]:
        """Yield the whole state that the dashboard shows, after each change, until the bridge stops."""
        state: Json = {}
        decoder = SSEDecoder()
        async with aclosing(self._events("/admin/api/events")) as pieces:
            async for data in pieces:
                changed = [json.loads(event.data) for event in decoder.feed(data) if event.event == "state"]
                for sections in changed:
                    state |= sections
                if changed:
                    yield state

    async def link(self, path: str) -> Json:
        """Return a link to a page of the dashboard that signs in once, and when it expires."""
        found: Json = await self._ask("POST", "/admin/api/links", ANSWER_LIMIT, {"path": path})
        return found

    async def log_in(self, name: str, site: str, url: str | None, *, keep_browser: bool = False) -> str:
        """Begin a remote login, and return its id."""
        given: Json = {"name": name, "site": site}
        given |= ({"url": url} if url else {}) | ({"keep_browser": True} if keep_browser else {})
        begun: Json = await self._ask("POST", LOGINS, CHECK_LIMIT, given)
        return str(begun["id"])

    async def login(self, id: str) -> Json:  # noqa: A002
        """Return the state of a remote login."""
        found: Json = await self._get(f"{LOGINS}/{quote(id, '')}")
        return found

    async def give_up(self, id: str) -> None:  # noqa: A002
        """End a remote login."""
        await self._ask("DELETE", f"{LOGINS}/{quote(id, '')}", ANSWER_LIMIT)

    async def _of(self, account: str, method: str, path: str, body: Json | None = None) -> Json:
        found: Json = await self._ask(method, f"{ACCOUNTS}/{check_name(account)}{path}", CHECK_LIMIT, body)
        return found


def admin_client_of(config: Path, server: ServerSettings, url: str | None, key: str | None) -> AdminClient:
    """Return a client of the bridge at `url`, by default of the one in the settings, with this machine's admin key."""
    return AdminClient(*way_to(config, server, url, key))
