"""Run the demo site in a process of its own: `python -m bridge.demo --port 8700`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from bridge.demo.site import DemoSite
from bridge.demo.site_settings import MARKUPS, DemoSettings


def read_settings(arguments: list[str] | None = None) -> DemoSettings:
    """Read the command line."""
    default = DemoSettings()
    parser = argparse.ArgumentParser(prog="python -m bridge.demo", description=__doc__)
    parser.add_argument("--host", default=default.host)
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--lang", choices=("en", "zh"), default=default.lang)
    parser.add_argument("--markup", choices=MARKUPS, default=default.markup)
    parser.add_argument("--page", choices=("light", "heavy"), default=default.page)
    parser.add_argument("--rate", type=float, default=default.rate, help="tokens a second")
    parser.add_argument("--settle", type=float, nargs=2, default=default.settle, metavar=("MIN", "MAX"))
    parser.add_argument("--difficulty", type=int, default=default.pow_difficulty)
    parser.add_argument("--accounts", nargs="+", default=default.accounts, metavar="NAME")
    parser.add_argument("--no-checks", action="store_true", help="answer clients that are not the page, too")
    given = parser.parse_args(arguments)
    return DemoSettings(
        host=given.host,
        port=given.port,
        accounts=tuple(given.accounts),
        lang=given.lang,
        markup=given.markup,
        page=given.page,
        rate=given.rate,
        settle=(given.settle[0], given.settle[1]),
        pow_difficulty=given.difficulty,
        checks=not given.no_checks,
    )


async def serve(settings: DemoSettings) -> None:
    """Serve the site until SIGINT or SIGTERM."""
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    async with DemoSite(settings) as site:
        accounts = ", ".join(f"{a.email} / {a.password}" for a in site.accounts)
        print(f"demo site on {site.url} accounts: {accounts}", flush=True)
        await asked.wait()


if __name__ == "__main__":
    try:
        asyncio.run(serve(read_settings()))
    except OSError as error:
        sys.exit(f"the demo site cannot start: {error.strerror}")
