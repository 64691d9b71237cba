"""Handlers that tell what the keys used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from bridge.api.admin import query_parameters
from bridge.api.admin.admin_context import Parts, as_json
from bridge.api.route_table import Operation
from bridge.durations import moment_of
from bridge.errors import NotThere, RequestError
from bridge.storage.usage_file import By, as_csv, groups_of

PATH = "/admin/api/usage"
ASKED = "(`since`: `7d` or a date; `by`: any of `key`, `model`, `account`, `day`, `hour`)"
SINCE = timedelta(days=30)
ATTACHED = {"content-disposition": 'attachment; filename="bridge-usage.csv"', "cache-control": "no-store"}


class UsageFigures:
    """The handlers."""

    def __init__(self, parts: Parts) -> None:
        self._record = parts.optional.usage

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        return (
            Operation("GET", PATH, f"Sum up the chats and tokens of the keys {ASKED}", self.totals),
            Operation("GET", f"{PATH}.csv", f"Return the same as a table {ASKED}", self.table, answer="text/csv"),
        )

    async def totals(self, request: web.Request) -> web.StreamResponse:
        """Return the sums."""
        since, by, rows = await self._asked(request)
        return as_json({"since": since.isoformat(timespec="seconds"), "by": by, "usage": rows})

    async def table(self, request: web.Request) -> web.StreamResponse:
        """Return the sums as a CSV file."""
        _, by, rows = await self._asked(request)
        return web.Response(text=as_csv(rows, by), content_type="text/csv", headers=ATTACHED)

    async def _asked(self, request: web.Request) -> tuple[datetime, Sequence[By], list[dict[str, Any]]]:
        if self._record is None:
            raise NotThere("This bridge records no usage.")
        since, by = _since(request), groups_of(query_parameters.text(request, "by") or "key")
        return since, by, await self._record.totals(since.timestamp(), by)


def _since(request: web.Request) -> datetime:
    given, now = query_parameters.text(request, "since"), datetime.now(UTC)
    try:
        return moment_of(given, now, is_ahead=False) if given else now - SINCE
    except (ValueError, OverflowError):
        raise RequestError("since must be a span such as 24h or 7d, or a date as 2026-01-31.", param="since") from None
