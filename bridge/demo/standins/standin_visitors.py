"""The visitors of a stand-in: accounts by their token, guests, and the page's calls other than prompts."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterator

from aiohttp import web

from bridge.demo.backend import AccountBook
from bridge.demo.envelope import Refusal, document
from bridge.demo.standins.standin_accounts import StandInAccount
from bridge.demo.standins.standin_uploads import Uploads
from bridge.demo.standins.standin_wire import Wire

SIGN_IN = "/page/sign-in"
HISTORY = "/page/history"
GUEST = "guest-"
"""Prefix of guests' tokens."""
MADE_BY_PAGE = "x-page"
"""Header with a secret that the page was loaded with."""


class Visitors:
    """The senders of requests, and the handlers of all calls other than prompts."""

    def __init__(self, wire: Wire, book: AccountBook[StandInAccount], guest: StandInAccount) -> None:
        self.guest = guest
        self._wire, self._book = wire, book
        self.uploads = Uploads(wire)
        self._secrets: set[str] = set()

    def new_secret(self) -> str:
        """Return a secret for a page that is loaded now."""
        secret = secrets.token_hex(8)
        self._secrets.add(secret)
        return secret

    def is_page(self, request: web.Request) -> bool:
        """Tell whether a page made the request."""
        return (request.headers.get(MADE_BY_PAGE) or request.query.get(MADE_BY_PAGE)) in self._secrets

    def token(self, request: web.Request) -> str:
        """Return the token of a request, from where this site's calls carry it."""
        where = self._wire.login.sent_in
        if where == "cookie":
            return request.cookies.get(self._wire.login.cookie, "")
        if where == "bearer":
            return request.headers.get("authorization", "").removeprefix("Bearer ")
        return request.headers.get(where) or request.query.get(where, "")

    def account(self, request: web.Request) -> StandInAccount | None:
        """Return the account that is signed in."""
        return self._book.account_with_token(self.token(request))

    def sender(self, request: web.Request) -> StandInAccount | None:
        """Return the account of a prompt: the guest if guests may chat, and None for an invalid token."""
        token = self.token(request)
        is_guest = self._wire.login.guests and (not token or token.startswith(GUEST))
        return self.account(request) or (self.guest if is_guest else None)

    def routes(self) -> Iterator[web.RouteDef]:
        """Yield the routes of the page's own calls."""
        wire = self._wire
        yield web.get(wire.login.who, self._who)
        yield web.post(SIGN_IN, self._sign_in)
        yield web.get(HISTORY, self._history)
        calls = (
            (wire.creates_at, self._create),
            (wire.stops_at, self._stop),
            (wire.polls_at, self._poll),
        )
        yield from (
            web.route("GET" if wire.method == "GET" else "POST", path, self._of_sender(handler))
            for path, handler in calls
            if path
        )
        yield from (web.route(how, path, self._of_sender(handler)) for how, path, handler in self.uploads.calls())
        if wire.asks_at:
            yield web.get(wire.asks_at, self._ask)

    async def _who(self, request: web.Request) -> web.Response:
        account = self.account(request)
        response = document(self._wire.who(account))
        response.headers["x-signed-in"] = "yes" if account else "no"
        if self._wire.login.makes_guests and account is None:
            response.headers["x-new-token"] = f"{GUEST}{secrets.token_hex(8)}"
        return response

    async def _sign_in(self, request: web.Request) -> web.Response:
        given, login = await request.json(), self._wire.login
        account = self._book.account_with_email(given["user"])
        if account is None or given["password"] != account.password:
            return document({"error": "wrong user or password"}, status=401)
        token, _ = account.sign_in()
        response = document({"token": token})
        if login.cookie:
            response.set_cookie(login.cookie, token, httponly=not login.storage)
        return response

    async def _history(self, request: web.Request) -> web.Response:
        """Return the messages of a conversation, and the id of its last one."""
        account = self.account(request) or self.guest
        thread = account.threads.get(request.query["id"])
        if thread is None:
            raise web.HTTPNotFound
        return document({"id": thread.id, "title": thread.title, "last": thread.last, "messages": thread.messages})

    def _of_sender(
        self, handler: Callable[[StandInAccount, web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            account = self.sender(request)
            if account is None:
                raise Refusal("login", {"detail": "not signed in"}, 401)
            return await handler(account, request)

        return handle

    async def _create(self, account: StandInAccount, _request: web.Request) -> web.Response:
        return document(self._wire.created(account.add_thread(self._wire.new_id("chat"))))

    async def _stop(self, account: StandInAccount, _request: web.Request) -> web.Response:
        account.stopped.set()
        return document({})

    async def _poll(self, _account: StandInAccount, request: web.Request) -> web.Response:
        return document(self._wire.polled(await request.json(), self._book.url))

    async def _ask(self, request: web.Request) -> web.Response:
        account = self.sender(request) or self.guest
        return document(self._wire.asks(human=account.board.take("page") is not None))
