"""Imports logins: a token, a storage state, or a profile from another machine; see `account_control.LoginImport`.

The form of a login is checked, and whether the site accepts it, before anything is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.browser.browser import Chromium
from bridge.errors import BrowserError, LoginRequired, RequestError, SetupError, SiteError
from bridge.login.capture import opened_fresh, store_login
from bridge.login.interactive_login import profile_for
from bridge.origins import origin_of, own_state, site_address
from bridge.settings import PageSettings
from bridge.sites.contract import SiteDriver
from bridge.sites.known_sites import load_driver
from bridge.storage.profile_key import Identity
from bridge.storage.profiles import Profile, ProfileStore, check_name, open_sealed

MOST_BYTES = 16 * 1024 * 1024
"""Largest size of an imported file in bytes."""
LONGEST_TOKEN = 4096

Short = Annotated[str, Field(max_length=2048)]


class _Lenient(BaseModel):
    """A part of a storage state; fields that newer versions of Playwright add are dropped."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class _Cookie(_Lenient):
    name: Short
    value: Annotated[str, Field(max_length=16_384)]
    domain: Annotated[str, Field(min_length=1, max_length=255)]
    path: Short = "/"
    expires: float = -1
    httpOnly: bool = False  # noqa: N815 - Playwright's name
    secure: bool = False
    sameSite: Literal["Strict", "Lax", "None"] = "Lax"  # noqa: N815 - Playwright's name
    partitionKey: Short | None = None  # noqa: N815 - Playwright's name


class _Item(_Lenient):
    name: Short
    value: str


class _Origin(_Lenient):
    origin: Short
    localStorage: Annotated[list[_Item], Field(max_length=10_000)] = []  # noqa: N815 - Playwright's name
    indexedDB: Annotated[list[dict[str, Any]], Field(max_length=100)] = []  # noqa: N815 - Playwright's name


class _State(_Lenient):
    cookies: Annotated[list[_Cookie], Field(max_length=5000)] = []
    origins: Annotated[list[_Origin], Field(max_length=1000)] = []


class LoginImporter:
    """Imports logins into a profile store, and tests each in a browser first."""

    def __init__(self, chromium: Chromium, settings: PageSettings, store: ProfileStore) -> None:
        self._chromium = chromium
        self._settings = settings
        self._store = store

    async def token(self, name: str, site: str, url: str | None, token: str) -> str:
        """Import a userToken of the site."""
        token = token.strip()
        if not token or len(token) > LONGEST_TOKEN or not token.isprintable() or " " in token:
            raise RequestError("This is not a userToken, which is one word of printable characters.", param="token")
        profile = await self._begun(name, site, url)
        try:
            state = self._driver(profile).token_state(profile.url, token)
        except SetupError as error:
            raise RequestError(error.message, param="token") from error
        return await self._tried(profile.with_state(state, {}), "token")

    async def storage_state(self, name: str, site: str, url: str | None, state: bytes | Mapping[str, object]) -> str:
        """Import the site's own parts of a storage state; an empty one is that of a visitor without an account."""
        given = await asyncio.to_thread(_validated, state)
        profile = await self._begun(name, site, url)
        driver = self._driver(profile)
        own = own_state(given, origin_of(profile.url), driver.hosts)
        own["origins"] = [self._filled(one, profile) for one in own["origins"]]
        is_visitor = driver.takes_guests and not (given["cookies"] or given["origins"])
        if not (own["cookies"] or own["origins"] or is_visitor):
            message = f"The storage state holds nothing of {profile.url}: neither a cookie nor a stored item."
            raise RequestError(message, param="storage_state")
        return await self._tried(profile.with_state(own, {}), "storage_state")

    async def profile(self, name: str | None, sealed: bytes, key: str | None = None) -> str:
        """Import a profile file from another machine, encrypted with `key`, by default with the store's own."""
        if len(sealed) > MOST_BYTES:
            raise RequestError(f"A profile has at most {MOST_BYTES} bytes.", param="profile")
        try:
            identity = self._store.identity if key is None else Identity.parse(key, "the given key")
            found = await asyncio.to_thread(open_sealed, sealed, identity, "the profile")
            await asyncio.to_thread(self._driver, found)
            _check_whole(found)
            profile = found.model_copy(update={"name": check_name(name or found.name)})
            self._store.refuse_other(profile.name)
        except SetupError as error:
            raise RequestError(error.message, param="profile") from error
        if await asyncio.to_thread(self._store.exists, profile.name):
            message = f"There is a profile {profile.name} already; remove it first, or choose another name."
            raise RequestError(message, param="name")
        return await self._tried(profile, "profile")

    def _driver(self, profile: Profile) -> type[SiteDriver]:
        return load_driver(profile.site, self._settings.folders.site_files)

    def _filled(self, origin: dict[str, Any], profile: Profile) -> dict[str, Any]:
        """Return an origin's part, without its databases if the site keeps no login in them."""
        return origin if self._driver(profile).login_in_indexed_db else {**origin, "indexedDB": []}

    async def _begun(self, name: str, site: str, url: str | None) -> Profile:
        """Return the profile for the login: the stored one of that name, or a new one."""
        try:
            profile = await asyncio.to_thread(
                profile_for, self._store, name, site, url, self._settings.folders.site_files
            )
        except SetupError as error:
            raise RequestError(error.message, param="name") from error
        return profile.model_copy(update={"user_data_dir": None})

    async def _tried(self, profile: Profile, param: str) -> str:
        """Store the login unless the site or the browser rejects it, and return the message for the user."""
        said = ""
        try:
            profile = await opened_fresh(self._chromium, self._settings, profile)
        except LoginRequired as error:
            message = f"{profile.url} does not accept this login: it asks to sign in. Nothing was stored."
            raise RequestError(message, param=param) from error
        except BrowserError as error:
            message = f"The login does not work in the browser, and nothing was stored: {error.message}"
            raise RequestError(message, param=param) from error
        except SiteError as error:
            said = f" It could not be tested: {error.message}"
        await store_login(self._settings.folders.config, self._store, profile)
        return f"The login is stored as profile '{profile.name}'.{said}"


def _check_whole(profile: Profile) -> None:
    try:
        site_address(profile.url)
    except ValueError as error:
        raise SetupError(f"The profile cannot be used: {error}.") from None
    if profile.user_data_dir is not None:
        raise SetupError(
            "The login of this profile is in the browser's folder on the other machine and cannot be copied; log in "
            "here with `bridge login NAME --keep-browser`."
        )


def _validated(state: bytes | Mapping[str, object]) -> dict[str, Any]:
    """Return a storage state in Playwright's form; raise a `RequestError` that quotes nothing of its contents."""
    if isinstance(state, bytes) and len(state) > MOST_BYTES:
        raise RequestError(f"A storage state has at most {MOST_BYTES} bytes.", param="storage_state")
    try:
        form = _State.model_validate_json(state) if isinstance(state, bytes) else _State.model_validate(state)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(["storage_state", *map(str, first["loc"])])
        raise RequestError(f"{place}: {first['msg']}.", param=place) from None
    return form.model_dump(exclude_none=True)
