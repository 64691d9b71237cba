"""The handler that adds an account from an existing login: a token, a storage state, or a profile file."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field, StrictStr

from bridge.api.admin.account_handlers import PATH
from bridge.api.admin.admin_context import Form, Parts, as_json
from bridge.api.route_table import Operation
from bridge.chat.account_control import LoginImport
from bridge.errors import RequestError
from bridge.monitor.state_json import describe

WAYS = ("token", "storage_state", "profile")


class AddForm(Form):
    """The account, and exactly one of `token`, `storage_state` (Playwright's form) and `profile` (base64 of `.age`).

    `profile_key` is the text of the other machine's key file, unless both machines have the same key.
    """

    name: Annotated[StrictStr, Field(min_length=1, max_length=64)]
    site: Annotated[StrictStr, Field(min_length=1, max_length=200)] = "deepseek"
    url: Annotated[StrictStr, Field(max_length=2000)] | None = None
    token: Annotated[StrictStr, Field(max_length=10_000)] | None = Field(None, repr=False)
    storage_state: dict[str, Any] | None = Field(None, repr=False)
    profile: StrictStr | None = Field(None, repr=False)
    profile_key: Annotated[StrictStr, Field(max_length=10_000)] | None = Field(None, repr=False)


class Add:
    """Handler that adds an account."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def operations(self) -> Sequence[Operation]:
        """Return the route."""
        return (Operation("POST", PATH, "Add an account from an existing login", self.add, AddForm),)

    async def add(self, request: web.Request) -> web.StreamResponse:
        """Import the login, and open the account."""
        given = await self._parts.body(request, AddForm)
        if sum(getattr(given, way) is not None for way in WAYS) != 1:
            raise RequestError(f"Send exactly one of {', '.join(WAYS)}.", param="token")
        if self._parts.optional.imports is None:
            raise RequestError("This bridge does not import logins.")
        message = await _imported(self._parts.optional.imports, given)
        account = await self._parts.control.add(given.name)
        return as_json({"account": describe(account), "message": f"{message} {account}."}, 201)


async def _imported(imports: LoginImport, given: AddForm) -> str:
    if given.token is not None:
        return await imports.token(given.name, given.site, given.url, given.token)
    if given.storage_state is not None:
        return await imports.storage_state(given.name, given.site, given.url, given.storage_state)
    try:
        sealed = base64.b64decode(given.profile or "", validate=True)
    except (binascii.Error, ValueError):
        raise RequestError("profile: This is not valid base64.", param="profile") from None
    return await imports.profile(given.name, sealed, given.profile_key)
