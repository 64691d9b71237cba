"""The control API under /__demo__/ for tests and visitors; open to this host only."""

from __future__ import annotations

import contextlib
import ipaddress

from aiohttp import web
from aiohttp.typedefs import Handler

from bridge.demo.accounts import Account
from bridge.demo.backend import BOOK
from bridge.demo.envelope import document
from bridge.demo.script import Script

PREFIX = "/__demo__"


@web.middleware
async def only_from_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse other hosts access to the control API."""
    if request.path.startswith(PREFIX) and not _from_here(request):
        raise web.HTTPForbidden(text="the control API is open to this host only")
    return await handler(request)


def _from_here(request: web.Request) -> bool:
    try:
        return ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False


async def overview(request: web.Request) -> web.Response:
    """Describe the site and its accounts."""
    book = request.app[BOOK]
    return document({"url": book.url, "accounts": [a.to_json() for a in book.accounts.values()]})


async def show_account(request: web.Request) -> web.Response:
    """Describe one account."""
    return document(_account(request).to_json())


async def add_account(request: web.Request) -> web.Response:
    """Register a new account."""
    try:
        account = request.app[BOOK].add_account(request.match_info["name"])
    except ValueError as error:
        raise web.HTTPConflict(text=str(error)) from error
    return document(account.to_json(), status=201)


async def open_session(request: web.Request) -> web.Response:
    """Sign an account in without the form, and return its browser storage state."""
    return document(_account(request).storage_state(), status=201)


async def queue_script(request: web.Request) -> web.Response:
    """Queue the answer to the account's next prompt."""
    try:
        script = Script.from_json(await request.json())
        _account(request).script(script)
    except (ValueError, TypeError) as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    return document({"queued": True}, status=201)


async def switch_fault_on(request: web.Request) -> web.Response:
    """Switch a fault on: `{"name": ..., "times": 1, "lasting": null, "params": {}}`."""
    account = _account(request)
    try:
        wanted = await request.json()
        account.fault(wanted["name"], wanted.get("times", 1), wanted.get("lasting"), **wanted.get("params", {}))
    except (ValueError, TypeError, KeyError) as error:
        raise web.HTTPBadRequest(text=f"{type(error).__name__}: {error}") from error
    return document({"faults": account.board.to_json()}, status=201)


async def switch_fault_off(request: web.Request) -> web.Response:
    """Switch one fault off, or all."""
    account = _account(request)
    account.clear_fault(request.match_info.get("fault"))
    return document({"faults": account.board.to_json()})


async def list_faults(request: web.Request) -> web.Response:
    """List all faults."""
    return document(
        {n: {"where": f.where, "text": f.text, "params": f.params} for n, f in request.app[BOOK].faults.items()}
    )


async def turns(request: web.Request) -> web.Response:
    """List the turns after a number; wait up to `wait` seconds for one that has ended."""
    account = _account(request)
    after, wait = int(request.query.get("after", 0)), float(request.query.get("wait", 0))
    with contextlib.suppress(TimeoutError):
        await account.wait_for(lambda a: any(t.outcome for t in a.turns[after:]), timeout=wait)
    return document({"turns": [t.to_json() for t in account.turns[after:]], "generating": account.generating})


def _account(request: web.Request) -> Account:
    account: Account | None = request.app[BOOK].accounts.get(request.match_info["name"])
    if account is None:
        raise web.HTTPNotFound(text="no such account")
    return account


def routes() -> list[web.RouteDef]:
    """Return the routes of the control API."""
    one = f"{PREFIX}/accounts/{{name}}"
    return [
        web.get(f"{PREFIX}/", overview),
        web.get(one, show_account),
        web.post(one, add_account),
        web.post(f"{one}/session", open_session),
        web.post(f"{one}/script", queue_script),
        web.get(f"{one}/turns", turns),
        web.post(f"{one}/faults", switch_fault_on),
        web.delete(f"{one}/faults", switch_fault_off),
        web.delete(f"{one}/faults/{{fault}}", switch_fault_off),
        web.get(f"{PREFIX}/faults", list_faults),
    ]
