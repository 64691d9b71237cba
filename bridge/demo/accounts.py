"""The accounts of the demo site: their sessions, faults, queued scripts and recorded turns."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from bridge.demo.faults import FAULTS
from bridge.demo.patches import Json
from bridge.demo.script import Script
from bridge.demo.site_conversations import Conversation
from bridge.demo.switchboard import Faults, Switch, Switchboard, make_switch
from bridge.demo.turns import Changes, Turn

if TYPE_CHECKING:
    from bridge.demo.generation import Generation
    from bridge.demo.uploads import Upload


class PageLink(Protocol):
    """An open page of an account, which is sent its faults."""

    heard: int  # the version of the switchboard that it has confirmed

    def clear_storage(self) -> None:
        """Empty the page's localStorage."""


class Scripted(Protocol):
    """A conversation that holds scripts."""

    scripts: list[Script]  # of the next answers


class Account:
    """One user of the site, with the server's state."""

    def __init__(self, name: str, origin: Callable[[], str], faults: Faults = FAULTS) -> None:
        self.name = name
        self.faults = faults  # all faults of this site
        self.email = f"{name}@example.com"
        self.password = f"demo-{name}"
        self.id = secrets.token_hex(16)
        self.tokens: list[str] = []
        self.device_keys: dict[str, bytes] = {}  # by token
        self.cookies: set[str] = set()
        self.require_cookie = False
        self.mute_until: float | None = None
        self.turns: list[Turn] = []
        self.conversations: dict[str, Conversation] = {}
        self.files: dict[str, Upload] = {}
        self.max_parallel = 0  # most answers requested at the same time, including refused ones
        self.changes = Changes()
        self.board = Switchboard(self.changes.notify)
        self.pages: set[PageLink] = set()
        self.generation: Generation | None = None
        self._scripts: deque[Script] = deque()
        self._origin = origin

    @property
    def token(self) -> str:
        """Return the newest valid token, or an empty string."""
        return self.tokens[-1] if self.tokens else ""

    @property
    def generating(self) -> bool:
        """Tell whether an answer is being written."""
        return self.generation is not None and not self.generation.turn.outcome

    def script(self, script: Script) -> None:
        """Queue the answer to the next prompt, or raise ValueError if its fault is unknown."""
        check_script(script, self.faults)
        self._scripts.append(script)

    def next_script(self, prompt: str, conversation: Scripted) -> Script:
        """Take the queued script, else the one in the prompt, else the conversation's next one, else an empty one."""
        script = self._scripts.popleft() if self._scripts else _scripted(prompt, self.faults)
        rest: list[Script] = []
        if script is None:
            script, *rest = conversation.scripts or [Script()]
        conversation.scripts = [*script.then, *rest]
        return script

    def fault(self, name: str, times: int | None = 1, lasting: float | None = None, **params: Any) -> None:
        """Switch on a fault for `times` (None: always) within `lasting` seconds; `account` faults strike at once."""
        switch = make_switch(name, times, lasting, params, self.faults)
        if switch.fault.where == "account":
            _HAPPENINGS[name](self, switch)
            self.changes.notify()
        else:
            self.board.switch_on(switch)

    def clear_fault(self, name: str | None = None) -> None:
        """Switch one fault off, or all."""
        self.board.switch_off(name)
        if name in (None, "muted"):
            self.mute_until = None
        if name in (None, "cookie_demanded"):
            self.require_cookie = False

    async def pages_informed(self, timeout: float = 60.0) -> None:
        """Wait until every open page has confirmed the current faults."""
        await self.wait_for(lambda a: all(page.heard >= a.board.version for page in a.pages), timeout)

    async def wait_for(self, condition: Callable[[Account], object], timeout: float = 5.0) -> None:
        """Wait until the condition holds for this account, or raise TimeoutError."""
        await self.changes.until(lambda: condition(self), timeout)

    def sign_in(self) -> tuple[str, str]:
        """Open a session without the form, and return its token and cookie."""
        token, cookie = secrets.token_urlsafe(48), secrets.token_hex(16)
        self.tokens.append(token)
        self.cookies.add(cookie)
        self.changes.notify()
        return token, cookie

    def sign_out(self, token: str | None = None) -> None:
        """End one session, or all."""
        self.tokens = [t for t in self.tokens if token is not None and t != token]
        self.changes.notify()

    def storage_state(self) -> dict[str, Any]:
        """Return a fresh session as a browser storage state."""
        token, cookie = self.sign_in()
        origin = self._origin()
        stored = {"name": "userToken", "value": f'{{"value":"{token}","__version":"0"}}'}
        jar = {
            "name": "ds_session_id",
            "value": cookie,
            "domain": origin.partition("://")[2].rpartition(":")[0],
            "path": "/",
            "expires": -1,
            "httpOnly": True,
            "secure": False,
            "sameSite": "Lax",
        }
        return {"cookies": [jar], "origins": [{"origin": origin, "localStorage": [stored]}]}

    def open_turn(self, kind: str, **facts: Any) -> Turn:
        """Start the record of one request."""
        turn = Turn(len(self.turns) + 1, kind, **facts, _ended=self.changes.notify)
        self.turns.append(turn)
        self.max_parallel = max(self.max_parallel, 1 + self.generating)
        self.changes.notify()
        return turn

    def add_conversation(self) -> Conversation:
        """Add an empty conversation."""
        conversation = Conversation(len(self.conversations) + 1)
        self.conversations[conversation.id] = conversation
        return conversation

    def to_json(self) -> dict[str, Json]:
        """Describe the account and its turns."""
        return {
            "name": self.name,
            "email": self.email,
            "password": self.password,
            "sessions": len(self.tokens),
            "generating": self.generating,
            "max_parallel": self.max_parallel,
            "require_cookie": self.require_cookie,
            "mute_until": self.mute_until,
            "faults": self.board.to_json(),
            "pages": len(self.pages),
            "conversations": [c.to_json() for c in self.conversations.values()],
            "turns": [turn.to_json() for turn in self.turns],
        }


def script_fault(script: Script, faults: Faults = FAULTS) -> Switch | None:
    """Return the fault that a script asks for, or raise ValueError if it cannot strike a single turn."""
    if not script.fault:
        return None
    switch = make_switch(script.fault, 1, None, script.params, faults)
    if switch.fault.where not in ("reply", "stream"):
        raise ValueError(f"the fault {script.fault!r} cannot strike a single turn")
    return switch


def check_script(script: Script, faults: Faults = FAULTS) -> None:
    """Raise ValueError if a fault of the script, or of one that follows it, cannot strike."""
    script_fault(script, faults)
    for following in script.then:
        check_script(following, faults)


def _scripted(prompt: str, faults: Faults) -> Script | None:
    script = Script.from_prompt(prompt)
    try:
        check_script(script or Script(), faults)
    except ValueError:
        return None
    return script


def _mute(account: Account, switch: Switch) -> None:
    account.mute_until = time.time() + switch.params["seconds"]


def _clear_storage(account: Account, _switch: Switch) -> None:
    for page in account.pages:
        page.clear_storage()


_HAPPENINGS: dict[str, Callable[[Account, Switch], None]] = {
    "muted": _mute,
    "session_revoked": lambda account, _: account.sign_out(),
    "storage_cleared": _clear_storage,
    "cookie_demanded": lambda account, _: setattr(account, "require_cookie", True),
    "conversations_lost": lambda account, _: account.conversations.clear(),
}
