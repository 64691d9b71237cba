"""`bridge login` without a screen: a bridge shows the sign-in page in the user's own browser."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from bridge.app import running
from bridge.cli.admin_client import AdminClient, Json, admin_client_of
from bridge.client import from_here
from bridge.errors import BridgeError, SetupError, SiteTimeout
from bridge.origins import is_loopback
from bridge.settings import Settings
from bridge.storage.profiles import check_name

LOOK_EVERY = 1.0
"""Seconds between two polls of the login's state."""
LIMIT = 1200.0
"""Seconds that a login may take; the bridge's own limit is shorter."""
OTHERWISE = "Use --form, --token or --import; `bridge login --help` describes them."


async def log_in_remotely(
    settings: Settings, name: str, site: str, url: str | None, say: Callable[[str], None], *, keep_browser: bool = False
) -> None:
    """Open the sign-in page on a bridge, print a link to it, and wait for the captured login; raise if it fails."""
    if not settings.dashboard.enabled:
        raise SetupError(
            f"This machine has no screen, and dashboard.enabled is off, so the bridge cannot show the page. {OTHERWISE}"
        )
    check_name(name)
    async with _bridge(settings, say) as client:
        login = await client.log_in(name, site, url, keep_browser=keep_browser)
        try:
            await _show(client, login, say, is_local=is_loopback(settings.server.host))
            say(await _captured(client, login))
        except BaseException:
            with suppress(BridgeError):
                await client.give_up(login)
            raise


async def _show(client: AdminClient, login: str, say: Callable[[str], None], *, is_local: bool) -> None:
    link = str((await client.link(f"/dashboard/live?login={login}"))["url"])
    say("Open this link in any browser and sign in there. It works once, within minutes:")
    say(f"\n  {link}\n")
    place = urlsplit(link)
    if is_local:
        way = f"first run there: ssh -L {place.port}:{place.netloc} {socket.gethostname()}"
    else:
        way = f"put this machine's name or address in place of {place.hostname}"
    say(f"On another machine, {way}\nCtrl-C cancels the login.")


async def _captured(client: AdminClient, login: str) -> str:
    """Wait until the login is captured, and return the bridge's message; raise `SiteTimeout` after `LIMIT`."""
    try:
        async with asyncio.timeout(LIMIT):
            while (now := await client.login(login))["state"] == "waiting":
                await asyncio.sleep(LOOK_EVERY)
    except TimeoutError as error:
        raise SiteTimeout(f"Nobody signed in within {LIMIT:g} seconds.") from error
    return _message(now)


def _message(login: Json) -> str:
    if login["state"] != "captured":
        raise BridgeError(str(login["message"]))
    return str(login["message"])


@asynccontextmanager
async def _bridge(settings: Settings, say: Callable[[str], None]) -> AsyncGenerator[AdminClient]:
    """Yield a client of the running bridge, or of one started for this login alone, which opens no other account."""
    client = admin_client_of(settings.config, settings.server, None, None)
    if await client.is_bridge():
        yield client
        return
    say("No bridge runs here; starting one for this login.")
    async with running(for_one_login(settings), only_new=True) as bridge:
        yield admin_client_of(settings.config, settings.server, from_here(bridge.url), None)


def for_one_login(settings: Settings) -> Settings:
    """Return the settings of a bridge that runs for one login: as a node it takes none of the cluster's accounts."""
    return settings.model_copy(update={"cluster": settings.cluster.model_copy(update={"max_accounts": 0})})
