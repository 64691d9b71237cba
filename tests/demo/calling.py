"""What the page does on the network, done without a browser: every check passed honestly."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any, Self

from aiohttp import ClientResponse, ClientSession

from bridge.demo import Account, DemoSite
from bridge.demo.pow import Challenge

PAGE_HEADERS = {
    "x-client-platform": "web",
    "x-client-version": "2.5.0",
    "x-client-locale": "en_US",
    "x-client-timezone-offset": "0",
    "x-client-bundle-id": "com.deepseek.chat",
    "user-agent": "caller",
}
COMPLETION = "/api/v0/chat/completion"


class Caller:
    """Call the site as one account."""

    def __init__(self, site: DemoSite, account: Account) -> None:
        token, cookie = account.sign_in()
        headers = {**PAGE_HEADERS, "authorization": f"Bearer {token}", "referer": f"{site.url}/"}
        self._session = ClientSession(site.url, headers=headers, cookies={"ds_session_id": cookie})
        self.conversation = ""
        self.parent: int | None = None

    async def __aenter__(self) -> Self:
        await self._session.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, path: str, body: object, **headers: str) -> Any:
        """Call and return the whole answer."""
        async with self._session.post(f"/api/v0/{path}", json=body, headers=headers) as response:
            return await response.json()

    async def get(self, path: str) -> Any:
        """Call and return the whole answer."""
        async with self._session.get(f"/api/v0/{path}") as response:
            return await response.json()

    async def proof(self, path: str = COMPLETION) -> str:
        """Fetch a challenge and solve it."""
        answer = await self.post("chat/create_pow_challenge", {"target_path": path})
        challenge = Challenge(**answer["data"]["biz_data"]["challenge"])
        number = next(n for n in itertools.count() if challenge.solved_by(n))
        solved: dict[str, object] = {
            "algorithm": challenge.algorithm,
            "challenge": challenge.challenge,
            "salt": challenge.salt,
        }
        solved |= {"answer": number, "signature": challenge.signature, "target_path": path}
        return base64.b64encode(json.dumps(solved).encode()).decode()

    async def open(self, path: str, body: object, proven_path: str = COMPLETION) -> ClientResponse:
        """Begin a call that streams."""
        async with self._session.get("/hif/query") as response:
            hif = (await response.json())["data"]["biz_data"]["value"]
        headers = {"x-hif-leim": hif, "x-ds-pow-response": await self.proof(proven_path)}
        return await self._session.post(f"/api/v0/{path}", json=body, headers=headers)

    async def ask(self, prompt: str, **switches: bool) -> ClientResponse:
        """Begin a completion."""
        if not self.conversation:
            created = await self.post("chat_session/create", {})
            self.conversation = created["data"]["biz_data"]["chat_session"]["id"]
        body: dict[str, object] = {
            "chat_session_id": self.conversation,
            "parent_message_id": self.parent,
            "prompt": prompt,
        }
        body |= {"ref_file_ids": [], "thinking_enabled": False, "search_enabled": False, **switches}
        return await self.open("chat/completion", body)

    async def read(self, prompt: str, **switches: bool) -> list[tuple[str, Any]]:
        """Ask, and return the events of the answer."""
        async with await self.ask(prompt, **switches) as response:
            events = read_events(await response.read())
        ids = dict(events).get("ready", {})
        self.parent = ids.get("response_message_id", self.parent)
        return events


def read_events(stream: bytes) -> list[tuple[str, Any]]:
    """Read events as (name, data); data without a name has the name ""."""
    events = []
    for block in stream.decode().split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        fields = dict(line.split(": ", 1) for line in lines)
        if "data" in fields:
            events.append((fields.get("event", ""), json.loads(fields["data"])))
    return events


def replay(events: list[tuple[str, Any]]) -> dict[str, Any]:
    """Read a message out of its patches by the page's own rules."""
    state: Any = {}
    path, op = "", "SET"
    for name, data in events:
        if name:
            continue
        path, op = data.get("p", path), data.get("o", op)
        state = _apply(state, path, op, data["v"])
    return state["response"]  # type: ignore[no-any-return]


def _apply(state: Any, path: str, op: str, value: Any) -> Any:
    if op == "BATCH":
        inner_path, inner_op = "", "SET"
        for item in value:
            inner_path, inner_op = item.get("p", inner_path), item.get("o", inner_op)
            state = _apply(state, f"{path}/{inner_path}", inner_op, item["v"])
        return state
    if not path:
        return value
    *parents, last = path.split("/")
    target = state
    for part in parents:
        target = target[int(part)] if isinstance(target, list) else target[part]
    key: Any = int(last) if isinstance(target, list) else last
    if op == "APPEND":
        value = (target[key] or type(value)()) + value
    target[key] = value
    return state


def text_of(message: dict[str, Any], kind: str = "RESPONSE") -> str:
    """Join the text of all fragments of one kind."""
    return "".join(f["content"] or "" for f in message["fragments"] if f["type"] == kind)
