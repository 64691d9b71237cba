"""Imports a login from a token, a storage state or a profile file; returns the message for the user."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from getpass import getpass
from pathlib import Path

from bridge import env_file
from bridge.browser.browser import Chromium
from bridge.errors import SetupError
from bridge.log import log_fact
from bridge.login.login_import import MOST_BYTES, LoginImporter
from bridge.settings import Settings
from bridge.storage.private_files import read_private
from bridge.storage.profile_key import load_identity
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import Telemetry


async def import_token(settings: Settings, name: str, site: str, url: str | None) -> str:
    """Import the userToken from the variable BRIDGE_TOKEN, or prompt for one."""
    token = env_file.take("BRIDGE_TOKEN")
    if token is None:
        if not sys.stdin.isatty():
            raise SetupError("There is no terminal to prompt at: put the userToken into the variable BRIDGE_TOKEN.")
        token = getpass("userToken: ")
    async with _importing(settings) as imports:
        return await imports.token(name, site, url, token)


async def import_state(settings: Settings, name: str, site: str, url: str | None, file: Path) -> str:
    """Import a file with a storage state."""
    state = _content(file)
    async with _importing(settings) as imports:
        return await imports.storage_state(name, site, url, state)


async def import_profile(settings: Settings, file: Path, name: str | None, key_file: Path | None) -> str:
    """Import a profile file, decrypted with the keys in `key_file`, by default with this machine's own."""
    sealed = _content(file)
    key = None if key_file is None else _key_text(key_file)
    async with _importing(settings) as imports:
        return await imports.profile(name, sealed, key)


@asynccontextmanager
async def _importing(settings: Settings) -> AsyncGenerator[LoginImporter]:
    browser = Chromium(settings.pages, Telemetry(log_fact))
    try:
        yield LoginImporter(
            browser, settings.pages, ProfileStore(settings.profiles, load_identity(settings.key_source))
        )
    finally:
        await browser.close()


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise SetupError(f"Cannot read {file}: {error.strerror}.") from error
    if len(content) > MOST_BYTES:
        raise SetupError(f"{file} is larger than a login can be: more than {MOST_BYTES} bytes.")
    return content


def _key_text(key_file: Path) -> str:
    try:
        return read_private(key_file).decode("ascii", "replace")
    except OSError as error:
        raise SetupError(f"Cannot read the key file {key_file}: {error.strerror}.") from error
