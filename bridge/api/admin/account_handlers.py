"""Handlers that list the accounts and act on one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

from aiohttp import web
from pydantic import Field, StrictStr

from bridge.api.admin.admin_context import Form, Parts, as_json
from bridge.api.admin.archive import download
from bridge.api.route_table import Operation
from bridge.chat.types import Account
from bridge.errors import UnknownAccount
from bridge.monitor.state_json import describe

PATH = "/admin/api/accounts"
ONE = f"{PATH}/{{name}}"

Action = Callable[[str], Awaitable[Account]]


class RenameForm(Form):
    """The new name of an account."""

    to: Annotated[StrictStr, Field(min_length=1, max_length=100)]


class Accounts:
    """Handlers of the accounts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def operations(self) -> Sequence[Operation]:
        """Return the routes."""
        control = self._parts.control
        actions: tuple[tuple[str, str, Action, Callable[[Account], str]], ...] = (
            ("check", "Check the state of the account now; sends nothing", control.check, _state),
            ("pause", "Stop giving the account new chats until it is resumed", control.pause, _paused),
            ("resume", "Let a paused account take chats again", control.resume, _state),
            ("wake", "Open the page of a sleeping account now", control.wake, _state),
            ("sleep", "Close the account's page until a chat needs the account", control.sleep, _put_to_sleep),
            ("reopen", "Close the account and open it again from its stored login", control.reopen, _reopened),
            ("renew", "Replace the account's page with a new one", control.renew, _renewed),
        )
        return (
            Operation("GET", PATH, "List the accounts and their states", self.all),
            *(
                Operation("POST", f"{ONE}/{word}", summary, self._action(act, describe))
                for word, summary, act, describe in actions
            ),
            Operation("POST", f"{ONE}/rename", "Rename the account", self.rename, RenameForm),
            Operation("DELETE", ONE, "Close the account and delete its stored login", self.remove),
            Operation(
                "POST",
                f"{ONE}/bundle",
                "Download a diagnostic bundle of the account's page",
                self.bundle,
                answer="application/zip",
            ),
            Operation("GET", f"{ONE}/thumbnail", "Return a picture of the page", self.thumbnail, answer="image/jpeg"),
        )

    async def all(self, _: web.Request) -> web.StreamResponse:
        """List the accounts."""
        await self._parts.monitor.sections.look()
        return as_json({"accounts": self._parts.monitor.described()})

    async def rename(self, request: web.Request) -> web.StreamResponse:
        """Rename the account."""
        name, given = request.match_info["name"], await self._parts.body(request, RenameForm)
        account = await self._parts.control.rename(name, given.to)
        return self._answer(account, f"{name} is now called {account.name}.")

    async def remove(self, request: web.Request) -> web.StreamResponse:
        """Remove the account."""
        name = request.match_info["name"]
        await self._parts.control.remove(name)
        return as_json({"message": f"{name} was removed, and its stored login was deleted."})

    async def bundle(self, request: web.Request) -> web.StreamResponse:
        """Write a diagnostic bundle, and return it."""
        bundle = await self._parts.control.bundle(request.match_info["name"])
        return download(bundle.data, f"{bundle.name}.zip")

    async def thumbnail(self, request: web.Request) -> web.StreamResponse:
        """Return a picture of the account's page."""
        name = request.match_info["name"]
        picture = await self._parts.control.thumbnail(name)
        if picture is None:
            raise UnknownAccount(f"{name} has no open page now.")
        return web.Response(body=picture, content_type="image/jpeg")

    def _action(
        self, act: Action, describe: Callable[[Account], str]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            account = await act(request.match_info["name"])
            return self._answer(account, describe(account))

        return handle

    def _answer(self, account: Account, message: str) -> web.Response:
        running = {chat.get("account"): chat for chat in self._parts.monitor.sections.running()}
        return as_json({"account": describe(account, running.get(account.name)), "message": message})


def _state(account: Account) -> str:
    return f"{account}."


def _paused(account: Account) -> str:
    rest = "; the running one goes on" if account.is_busy else ""
    return f"{account.name} takes no new chats until it is resumed{rest}."


def _put_to_sleep(account: Account) -> str:
    return f"{account.name} is closed as soon as its chat has ended." if account.is_busy else f"{account}."


def _reopened(account: Account) -> str:
    return f"{account.name} is opened again as soon as its chat has ended." if account.is_busy else f"{account}."


def _renewed(account: Account) -> str:
    after = " as soon as its chat has ended" if account.is_busy else ""
    return f"{account.name} gets a new page{after}." if after else f"{account.name} has a new page."
