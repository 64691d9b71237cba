"""One stand-in as one object: its server, and its accounts to script and inspect."""

from __future__ import annotations

import contextlib
import re
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from bridge.demo import control
from bridge.demo.accounts import script_fault
from bridge.demo.backend import BOOK, AccountBook
from bridge.demo.envelope import Refusal
from bridge.demo.model import compose
from bridge.demo.script import Script
from bridge.demo.standins import standin_pages
from bridge.demo.standins.standin_accounts import StandInAccount
from bridge.demo.standins.standin_answers import Answering, steps_of
from bridge.demo.standins.standin_faults import STANDIN_FAULTS
from bridge.demo.standins.standin_visitors import Visitors
from bridge.demo.standins.standin_wire import Asked, Exchange, Unacceptable, Wire
from bridge.demo.switchboard import Switch
from bridge.demo.turns import Turn

_LARGEST_BODY = 200 << 20


class StandIn:
    """A stand-in, served while its context is open; `rate` is tokens a second, 0 as fast as possible."""

    def __init__(
        self, wire: Wire, accounts: tuple[str, ...] = ("alice",), *, rate: float = 50.0, port: int = 0
    ) -> None:
        self.wire = wire
        self.book: AccountBook[StandInAccount] = AccountBook(STANDIN_FAULTS, self._make_account)
        self.other_url = ""
        """The other origin, if the site has one."""
        self.visitors = Visitors(wire, self.book, self._make_account("guest"))
        self.strange: list[str] = []
        """The reasons of requests that no page of the real site would make."""
        self._rate, self._port = rate, port
        self._prompts, self._files = _fitting(wire.path), _fitting(wire.uploads_at)
        self._stack = contextlib.AsyncExitStack()
        for name in accounts:
            self.book.add_account(name)

    @property
    def url(self) -> str:
        """Return the address of the site, without a slash at the end."""
        return self.book.url

    @property
    def accounts(self) -> list[StandInAccount]:
        """Return all accounts."""
        return list(self.book.accounts.values())

    def account(self, name: str = "alice") -> StandInAccount:
        """Return an account by its short name."""
        return self.book.accounts[name]

    @property
    def guest(self) -> StandInAccount:
        """Return the account of all visitors who are not signed in."""
        return self.visitors.guest

    def adapted(self, site_file: str) -> str:
        """Return the text of a site file with this stand-in's address in place of the other origin's hosts."""
        for host in filter(None, (self.wire.elsewhere, self.wire.stores)):
            site_file = site_file.replace(host, urlsplit(self.other_url).netloc)
        return site_file

    def _make_account(self, name: str) -> StandInAccount:
        return StandInAccount(name, lambda: self.url, self.wire.login)

    async def __aenter__(self) -> Self:
        runner = web.AppRunner(self._application(), handler_cancellation=True, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        try:
            await web.TCPSite(runner, "127.0.0.1", self._port).start()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
        except OSError:
            await self._stack.aclose()
            raise
        self.book.url, self.other_url = (f"http://127.0.0.1:{address[1]}" for address in runner.addresses)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for account in [*self.accounts, self.guest]:
            account.stopped.set()
        await self._stack.aclose()

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[control.only_from_here, self._gate], client_max_size=_LARGEST_BODY)
        app[BOOK] = self.book
        app.add_routes(
            [web.route(self.wire.method, self.wire.path, self._answer), *control.routes(), *self.visitors.routes()]
        )
        standin_pages.add_page(app, self.wire, self.visitors, lambda: self.other_url)
        return app

    @web.middleware
    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serve each origin's own calls only, answer preflights, and return refusals."""
        elsewhere = f"http://{request.host}" == self.other_url
        if elsewhere and request.method == "OPTIONS":
            return web.Response(headers=self._cors(request))
        if not request.path.startswith(control.PREFIX) and elsewhere is not self._is_for_elsewhere(request.path):
            raise web.HTTPNotFound
        try:
            response = await handler(request)
        except Refusal as refusal:
            response = refusal.answer(request)
        if elsewhere and not response.prepared:
            response.headers.update(self._cors(request))
        return response

    def _is_for_elsewhere(self, path: str) -> bool:
        """Tell whether a call goes to the other origin."""
        is_prompt, is_file = self._prompts.fullmatch(path), self._files.fullmatch(path)
        return bool((self.wire.elsewhere and is_prompt) or (self.wire.stores and is_file))

    def _cors(self, request: web.Request) -> dict[str, str]:
        return {
            "access-control-allow-origin": self.url,
            "access-control-allow-credentials": "true",
            "access-control-allow-headers": request.headers.get("access-control-request-headers", "*"),
            "access-control-allow-methods": "GET, POST, PUT",
        }

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        account = self.visitors.sender(request)
        try:
            asked = await self._read(request)
        except (Unacceptable, ValueError, KeyError, IndexError, TypeError) as error:
            raise self._strange(f"{type(error).__name__}: {error}") from error
        if account is None:
            return self._refuse(request, "login")
        return await self._speak(request, account, asked)

    async def _read(self, request: web.Request) -> Asked:
        if not self.visitors.is_page(request):
            raise Unacceptable("not sent by the page")
        return await self.wire.read(request)

    async def _speak(self, request: web.Request, account: StandInAccount, asked: Asked) -> web.StreamResponse:
        try:
            files = self.visitors.uploads.named(account, asked)
        except Unacceptable as error:
            raise self._strange(str(error)) from error
        exchange = self._exchange(account, asked)
        turn = _open_turn(account, asked, exchange, files)
        script = account.next_script(asked.prompt, exchange.thread)
        fault = script_fault(script, STANDIN_FAULTS) or account.board.take("reply") or account.board.take("stream")
        if fault is not None and fault.fault.where == "reply":
            turn.end(f"refused:{fault.name}")
            return self._refuse(request, fault.name, fault)
        composition = compose(asked.prompt, script, thinking=asked.thinking, search=asked.search)
        exchange.title = composition.title
        steps = steps_of(self.wire, exchange, composition, fault)
        _remember(exchange)
        headers = self._cors(request) if self.wire.elsewhere else {}
        answering = Answering(request, account, turn, {"content-type": self.wire.content_type, **headers}, script.cut)
        return await answering.play(steps, self._period(script), script.first_byte)

    def _period(self, script: Script) -> float:
        rate = self._rate if script.rate is None else script.rate
        return 1 / rate if rate else 0.0

    def _refuse(self, request: web.Request, kind: str, fault: Switch | None = None) -> web.Response:
        """Refuse in the site's own wording."""
        if fault is not None and fault.fault.reply is not None:
            raise fault.fault.reply(fault.params)
        words = self.wire.refusals[kind]
        if isinstance(words, Refusal):
            raise words
        return web.Response(body=words, headers={"content-type": self.wire.content_type})

    def _exchange(self, account: StandInAccount, asked: Asked) -> Exchange:
        """Return the exchange of a prompt in its conversation, or refuse the prompt."""
        thread = account.threads.get(asked.conversation)
        if thread is None:
            if asked.conversation:
                raise self._strange("there is no such conversation")
            thread = account.add_thread(self.wire.new_id("chat"))
        if self.wire.names_parents and asked.parent != thread.last:
            raise self._strange(f"it follows {asked.parent} and not {thread.last}")
        if account.generating:
            raise self._strange("another answer is being written")
        ids = self.wire.new_id("message"), self.wire.new_id("message")
        return Exchange(asked, thread, *ids, is_first=thread.last is None)

    def _strange(self, reason: str) -> Refusal:
        self.strange.append(reason)
        return Refusal("strange", {"detail": reason}, 400)


def _fitting(path: str) -> re.Pattern[str]:
    """Return the pattern of a path in which `{id}` matches any segment."""
    return re.compile(re.escape(path).replace(r"\{id\}", "[^/]+"))


def _open_turn(account: StandInAccount, asked: Asked, exchange: Exchange, files: tuple[str, ...]) -> Turn:
    turn = account.open_turn(
        "completion",
        prompt=asked.prompt,
        thinking_enabled=asked.thinking,
        search_enabled=asked.search,
        model_type=asked.model,
        conversation=exchange.thread.id,
        files=files,
    )
    account.running = turn
    return turn


def _remember(exchange: Exchange) -> None:
    thread = exchange.thread
    thread.last, thread.title = exchange.answer_id, thread.title or exchange.title
    thread.messages.append({"role": "user", "text": exchange.asked.prompt})
    thread.messages.append({"role": "assistant", "text": exchange.text})
