"""The table of `bridge status`: accounts, queue and chats, updated from the running bridge."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bridge.cli.admin_client import AdminClient
from bridge.cli.console import Clean
from bridge.cli.status_rows import COLOURS, Fitted, State, ago, ahead, by_urgency, state_with_flags, trouble
from bridge.errors import BridgeError, SetupError

RETRY = 2.0
"""Seconds between attempts to reconnect."""
RETRIED = "Trying again."
LOST = f"Lost the connection to the bridge. {RETRIED}"
RECENT = 5


async def show(client: AdminClient, console: Console, *, as_json: bool) -> None:
    """Print the state: as JSON, as a table, or at a terminal as a table that updates until Ctrl-C."""
    state = await client.state()
    if as_json:
        console.print(json.dumps(state, ensure_ascii=True, indent=1), markup=False, soft_wrap=True)
    elif console.is_terminal:
        await _Screen(client, state).run(console)
    else:
        console.print(render_state(state))


class _Screen:
    """Shows the state live; redraws twice a second, so that times count on."""

    def __init__(self, client: AdminClient, state: State) -> None:
        self._client = client
        self._state = state
        self._lost = ""

    async def run(self, console: Console) -> None:
        with Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow())
                while True:
                    live.update(Clean([self._render()]), refresh=True)
                    await asyncio.sleep(0.5)

    def _render(self) -> Fitted:
        return Fitted(render_state(self._state, self._lost), self._state, self._lost)

    async def _follow(self) -> None:
        while True:
            lost = LOST
            try:
                async for state in self._client.states():
                    self._state, self._lost = state, ""
            except SetupError:
                pass  # no bridge answers
            except BridgeError as refusal:  # one answers, and says why it shows nothing
                lost = f"{refusal.message} {RETRIED}"
            self._lost = lost
            await asyncio.sleep(RETRY)


def render_state(state: State, lost: str = "") -> Group:
    """Return the whole state as tables for a terminal."""
    parts: list[RenderableType] = [_headline(state), Text("")]
    if lost:
        parts.insert(0, Text(lost, "bold red"))
    parts.append(_accounts(state) if state["accounts"] else Text("There is no account; `bridge login NAME` adds one."))
    if unplaced := state.get("cluster", {}).get("unplaced"):
        parts.append(Text(f"On no node: {', '.join(unplaced)}", "yellow"))
    if missing := state.get("cluster", {}).get("missing"):
        parts.append(Text(f"No answer about chats of: {', '.join(missing)}", "yellow"))
    for title, table in (("Nodes", _nodes(state)), ("Chats", _chats(state)), ("Last chats", _recent(state))):
        if table.row_count:
            parts += [Text(f"\n{title}", "bold"), table]
    return Group(*parts)


def _headline(state: State) -> Text:
    bridge, browser = state["bridge"], state["browser"]
    ready = Text("ready", "green") if bridge["ready"] else Text(str(bridge["reason"] or "not ready"), "bold red")
    memory, elsewhere = browser.get("memory_mb"), browser.get("elsewhere")
    browser_at = f" at {elsewhere}" if elsewhere else f", {memory:.0f} MB" if memory else ""
    facts = [
        f"bridge {bridge['version']} at {bridge['url']}",
        f"Chromium {browser['version'] or ''} {browser['state']}{browser_at}",
        f"up {ago(bridge['started'])}",
        f"{bridge['chats_today']} chats today",
    ]
    return Text.assemble(ready, "  ", Text("  ·  ".join(facts), "dim"))


def _accounts(state: State) -> Table:
    heads = ("State", "Until", "Chat", "Hour", "Day", "Seen", "Reason or last error")
    table = _table("Account", *_node_column(state), *heads)
    for account in by_urgency(state["accounts"]):
        table.add_row(*_account(account, _node_of(state, account)))
    return table


def _account(account: State, node: Sequence[str]) -> Iterator[Text]:
    sends = account["sends"]
    yield Text(account["name"], "bold")
    yield from map(Text, node)
    yield Text(state_with_flags(account), COLOURS.get(account["state"], "red"))
    yield Text(ahead(account["until"]))
    yield Text(_current(account["chat"]))
    yield Text(_share(sends["hour"], sends["hour_limit"]))
    yield Text(_share(sends["day"], sends["day_limit"]))
    yield Text(ago(account["last_seen"]))
    yield Text(trouble(account), "dim")


def _nodes(state: State) -> Table:
    table = _table("Node", "State", "Accounts", "Ready", "Busy", "Waiting", "Version", "Address")
    for node in state.get("cluster", {}).get("nodes", ()):
        name = Text.assemble((node["name"], "bold"), (" (this one)" if node["own"] else "", "dim"))
        wrong = f"clock {node['clock_ahead']:+.0f} s" if node.get("clock_ahead") else ""
        notes = [note for note in (node["leaving"], wrong) if note]
        leaving = Text(", ".join(notes) or "in service", "yellow" if notes else "green")
        numbers = (
            f"{node['accounts']} of {node['capacity']}",
            *(str(node[one]) for one in ("ready", "busy", "waiting")),
        )
        table.add_row(name, leaving, *map(Text, (*numbers, node["version"], node["address"])))
    return table


def _chats(state: State) -> Table:
    table = _table("Chat", "Model", "Account", *_node_column(state), "Step", "Tokens", "Since")
    for chat in state["running"]:
        rest = (chat["step"], str(chat["tokens"]), ago(chat["since"]))
        table.add_row(*map(Text, (chat["id"], chat["model"], chat["account"], *_node_of(state, chat), *rest)))
    for chat in state["queue"]:
        rest = ("waiting", "", ago(chat["since"]))
        table.add_row(*map(Text, (chat["id"], chat["model"], "", *_node_of(state, chat), *rest)))
    return table


def _recent(state: State) -> Table:
    table = _table("Chat", "Model", "Account", *_node_column(state), "Result", "Tokens", "Ended")
    for chat in state["recent"][:RECENT]:
        rest = (chat["result"], str(chat["tokens"]), ago(chat["at"]))
        table.add_row(*map(Text, (chat["id"], chat["model"], chat["account"], *_node_of(state, chat), *rest)))
    return table


def _node_column(state: State) -> Sequence[str]:
    """Return the heading of the node column, in a cluster."""
    return ("Node",) if "cluster" in state else ()


def _node_of(state: State, entry: State) -> Sequence[str]:
    """Return the node of an account or a chat for that column, in a cluster."""
    return (str(entry.get("node", "")),) if "cluster" in state else ()


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")


def _current(chat: State | None) -> str:
    return f"{chat['step']}, {chat['tokens']} tokens, {ago(chat['started'])}" if chat else ""


def _share(used: int, limit: int | None) -> str:
    return str(used) if limit is None else f"{used}/{limit}"
