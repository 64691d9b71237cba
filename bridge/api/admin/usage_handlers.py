"""Handlers that report the usage of the keys."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from aiohttp import web
from loguru import logger

from bridge.api.admin import query_parameters
from bridge.api.admin.admin_context import Parts, as_json
from bridge.api.route_table import Operation
from bridge.chat.other_nodes import OtherNode, understood
from bridge.durations import moment_of
from bridge.errors import BridgeError, NotThere, RequestError
from bridge.storage.usage_file import By, as_csv, groups_of
from bridge.storage.usage_sums import parse_sums, summed

PATH = "/admin/api/usage"
SUBJECT = "usage"
ASKED = "(`since`: `7d` or a date; `by`: any of `key`, `model`, `account`, `day`, `hour`, `node`)"
SINCE = timedelta(days=30)
MISSING = "x-bridge-missing"
"""The response header that names the nodes which a table does not count, percent-encoded."""


class UsageFigures:
    """Handlers of the usage."""

    def __init__(self, parts: Parts) -> None:
        self._record, self._nodes = parts.optional.usage, parts.optional.nodes
        if self._nodes is not None:
            self._nodes.answer(SUBJECT, self._answer)

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        return (
            Operation("GET", PATH, f"Sum up the chats and tokens of the keys {ASKED}", self.totals),
            Operation("GET", f"{PATH}.csv", f"Return the same sums as CSV {ASKED}", self.table, answer="text/csv"),
        )

    async def totals(self, request: web.Request) -> web.StreamResponse:
        """Return the sums."""
        since, by, rows, missing = await self._asked(request)
        document = {"since": since.isoformat(timespec="seconds"), "by": by, "usage": rows}
        return as_json(document if self._nodes is None else {**document, "missing": missing})

    async def table(self, request: web.Request) -> web.StreamResponse:
        """Return the sums as a CSV file."""
        _, by, rows, missing = await self._asked(request)
        return web.Response(text=as_csv(rows, by), content_type="text/csv", headers=_attached(missing))

    async def _asked(self, request: web.Request) -> tuple[datetime, Sequence[By], list[dict[str, Any]], list[str]]:
        """Return the start, the groups, the sums of all nodes, and the names of nodes that are missing in them."""
        if self._record is None:
            raise NotThere("This bridge records no usage.")
        since, by = _since(request), groups_of(query_parameters.text(request, "by") or "key")
        own = await self._record.totals(since.timestamp(), by)
        if self._nodes is None:
            return since, by, own, []
        others = self._nodes.all()
        found = await asyncio.gather(*(_sums(node, since, by) for node in others))
        parts = [(node.name, rows) for node, rows in zip(others, found, strict=True) if rows is not None]
        missing = [node.name for node, rows in zip(others, found, strict=True) if rows is None]
        rows = await asyncio.to_thread(summed, [(self._nodes.name, own), *parts], by)
        return since, by, rows, sorted({*missing, *await self._nodes.away()})

    async def _answer(self, said: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return this node's own sums to another node."""
        if self._record is None:
            return {"usage": []}
        return {"usage": await self._record.totals(float(said["since"]), groups_of(str(said["by"])))}


async def _sums(node: OtherNode, since: datetime, by: Sequence[By]) -> list[dict[str, Any]] | None:
    """Return the sums of another node; None if it does not answer."""
    try:
        said = await node.ask(SUBJECT, since=since.timestamp(), by=",".join(by))
        with understood(node.name):
            return await asyncio.to_thread(parse_sums, said["usage"], by)
    except BridgeError as error:
        logger.warning("The usage of the keys on the node {} is missing: {}", node.name, error.message)
        return None


def _attached(missing: Sequence[str]) -> Mapping[str, str]:
    """Return the headers of a table; the file name tells whether nodes are missing in it."""
    name = "bridge-usage-incomplete.csv" if missing else "bridge-usage.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return {**headers, MISSING: ", ".join(map(quote, missing))} if missing else headers


def _since(request: web.Request) -> datetime:
    given, now = query_parameters.text(request, "since"), datetime.now(UTC)
    try:
        return moment_of(given, now, is_ahead=False) if given else now - SINCE
    except (ValueError, OverflowError):
        raise RequestError("since must be a span such as 24h or 7d, or a date as 2026-01-31.", param="since") from None
