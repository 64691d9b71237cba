"""The accounts of a stand-in, and their conversations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bridge.demo.accounts import Account
from bridge.demo.patches import Json
from bridge.demo.script import Script
from bridge.demo.standins.standin_faults import STANDIN_FAULTS
from bridge.demo.turns import Turn


@dataclass(frozen=True, slots=True)
class Login:
    """How a page stores its login, and the call that returns its user."""

    who: str  # path of the call that returns who is signed in
    storage: str = ""  # key of localStorage that holds the token
    cookie: str = ""  # name of the cookie that holds it
    sent_in: str = "cookie"  # how calls carry it: "cookie", "bearer", or the name of a header or parameter
    guests: bool = False  # whether a visitor may chat
    makes_guests: bool = False  # whether an invalid token is replaced by a guest's


@dataclass(slots=True)
class Thread:
    """One conversation."""

    id: str
    title: str = ""
    last: str | None = None  # the id of its last message
    messages: list[dict[str, str]] = field(default_factory=list)
    scripts: list[Script] = field(default_factory=list)


@dataclass(slots=True)
class Upload:
    """One file."""

    name: str
    content: bytes | None = None  # None until it is uploaded
    turns: int = 0  # how many prompts the account had sent by then
    questions: int = 0  # how often the page has asked whether it is processed


class StandInAccount(Account):
    """One user of a stand-in."""

    def __init__(self, name: str, origin: Callable[[], str], login: Login) -> None:
        super().__init__(name, origin, STANDIN_FAULTS)
        self.threads: dict[str, Thread] = {}
        self.uploads: dict[str, Upload] = {}
        self.running: Turn | None = None
        self.stopped = asyncio.Event()
        """Set to end the running answer."""
        self._login = login

    @property
    def generating(self) -> bool:
        """Tell whether an answer is being written."""
        return self.running is not None and not self.running.outcome

    def add_thread(self, name: str) -> Thread:
        """Add an empty conversation."""
        thread = self.threads[name] = Thread(name)
        return thread

    def storage_state(self) -> dict[str, Any]:
        """Return a fresh session as a browser storage state."""
        token, _ = self.sign_in()
        origin, login = self._origin(), self._login
        stored = [{"name": login.storage, "value": token}] if login.storage else []
        jar = {
            "name": login.cookie,
            "value": token,
            "domain": urlsplit(origin).hostname,
            "path": "/",
            "expires": -1,
            "httpOnly": not login.storage,
            "secure": False,
            "sameSite": "Lax",
        }
        return {"cookies": [jar] if login.cookie else [], "origins": [{"origin": origin, "localStorage": stored}]}

    def to_json(self) -> dict[str, Json]:
        """Describe the account and its turns."""
        threads = [{"id": one.id, "title": one.title, "messages": one.messages} for one in self.threads.values()]
        return {**super().to_json(), "conversations": threads}
