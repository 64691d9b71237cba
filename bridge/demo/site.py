"""The demo site as one object: its server, and its accounts to script and inspect."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from aiohttp.typedefs import Handler

from bridge.demo import chat_api, control, live, oauth, pages, site_api, uploads
from bridge.demo.accounts import Account
from bridge.demo.backend import BACKEND, BOOK, Backend
from bridge.demo.envelope import Refusal
from bridge.demo.site_settings import DemoSettings
from bridge.demo.switchboard import make_switch

_LARGEST_BODY = 200 << 20


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refusal as refusal:
        return refusal.answer(request)


class DemoSite:
    """The demo site, which is served while its context is open."""

    def __init__(self, settings: DemoSettings | None = None) -> None:
        self._backend = Backend(settings or DemoSettings())
        self._stack = contextlib.AsyncExitStack()
        self._runner: web.AppRunner
        self._listening: web.TCPSite
        self._running = asyncio.Event()
        self._running.set()

    @property
    def settings(self) -> DemoSettings:
        """Return the current settings."""
        return self._backend.settings

    @contextlib.contextmanager
    def changed(self, **settings: Any) -> Iterator[None]:
        """Change settings while the context is open; pages that are open keep those of their load."""
        before = self.settings
        self._take_up(replace(before, **settings))
        try:
            yield
        finally:
            self._take_up(before)

    def _take_up(self, settings: DemoSettings) -> None:
        self._backend.settings = settings
        self._runner.app[pages.ASSETS].take_up(self._backend)

    @property
    def url(self) -> str:
        """Return the address of the site, without a slash at the end."""
        return self._backend.url

    def account(self, name: str) -> Account:
        """Return an account by its short name."""
        return self._backend.accounts[name]

    @property
    def accounts(self) -> list[Account]:
        """Return all accounts."""
        return list(self._backend.accounts.values())

    def add_account(self, name: str) -> Account:
        """Register a new account."""
        return self._backend.add_account(name)

    def fault(self, name: str, times: int | None = 1, lasting: float | None = None, **params: Any) -> None:
        """Switch on a `load` fault for every visitor, signed in or not."""
        switch = make_switch(name, times, lasting, params)
        if switch.fault.where != "load":
            raise ValueError(f"the fault {name!r} belongs to an account")
        self._backend.board.switch_on(switch)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Hold all requests while the context is open, and answer them afterwards."""
        self._running.clear()
        try:
            yield
        finally:
            self._running.set()

    def cut(self) -> None:
        """Cut all connections."""
        for connection in self._runner.server.connections if self._runner.server else ():
            if connection.transport is not None:
                connection.transport.abort()

    @contextlib.asynccontextmanager
    async def unplugged(self) -> AsyncIterator[None]:
        """Cut all connections, and accept none while the context is open."""
        host, port = self._runner.addresses[0][:2]
        await self._listening.stop()
        self.cut()
        try:
            yield
        finally:
            self._listening = web.TCPSite(self._runner, host, port)
            await self._listening.start()

    async def __aenter__(self) -> Self:
        runner = web.AppRunner(self._application(), handler_cancellation=True, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        try:
            self._listening = web.TCPSite(runner, self.settings.host, self.settings.port)
            await self._listening.start()
        except OSError:
            await self._stack.aclose()
            raise
        host = "127.0.0.1" if self.settings.host == "0.0.0.0" else self.settings.host
        self._backend.url = f"http://{host}:{runner.addresses[0][1]}"
        self._runner = runner
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @web.middleware
    async def _wait_while_frozen(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        await self._running.wait()
        return await handler(request)

    def _application(self) -> web.Application:
        app = web.Application(
            middlewares=[control.only_from_here, self._wait_while_frozen, _refusals], client_max_size=_LARGEST_BODY
        )
        app[BACKEND] = app[BOOK] = self._backend
        pages.add_assets(app)
        live.add_lines(app)
        app.add_routes(
            [
                *site_api.routes(),
                *chat_api.routes(),
                *uploads.routes(),
                *oauth.routes(),
                *control.routes(),
                *pages.routes(),
            ]
        )
        app.on_shutdown.append(self._stop_generations)
        return app

    async def _stop_generations(self, _app: web.Application) -> None:
        for account in self.accounts:
            if account.generation is not None:
                account.generation.stop(outcome="closed")
