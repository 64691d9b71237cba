"""Shared by the commands: the console, common options, and loading the settings."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from bridge.cli.console import SafeConsole
from bridge.errors import SetupError

if TYPE_CHECKING:
    from bridge.cli.admin_client import AdminClient
    from bridge.settings import ClusterSettings, Settings

T = TypeVar("T")
ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals that end a command as Ctrl-C does."""

IN_A_WINDOW = {"headed": True, "shell": False, "connect": None}
"""Browser settings for a window on this machine's screen."""

console = SafeConsole(width=None if sys.stdout.isatty() else 200)


def flag(*names: str, help: str) -> Any:  # noqa: A002 - as Typer calls it
    """Return an option without a value."""
    return typer.Option(*names, help=help, metavar="")


Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the profile.")]
Url = Annotated[str | None, typer.Option(metavar="BASE", help="Address of the bridge, if not on this machine.")]
Key = Annotated[str | None, typer.Option(help="API key; by default this machine's own.")]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end; a signal cancels it gracefully, also where Ctrl-C is ignored (`command &`)."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        return asyncio.run(work)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else asyncio installs no signal handler at all
    return asyncio.run(_in_background(work))


async def _in_background(work: Coroutine[Any, Any, T]) -> T:
    """Ignore Ctrl-C again, and make the other signals cancel the work as asyncio does at Ctrl-C."""
    cancel = signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, cancel)
    return await work


def say(text: str) -> None:
    """Print one line as it is."""
    console.print(text, markup=False, soft_wrap=True)


def load(context: typer.Context, *, quiet: bool = True, **given: Any) -> Settings:
    """Read the settings and set up the log; `quiet` logs only warnings unless the settings name a level."""
    from bridge import log
    from bridge.settings_sources import load_settings

    settings = load_settings(context.obj, **given)
    is_set = "level" in settings.log.model_fields_set
    how = settings.log.model_copy(update={"level": "WARNING"}) if quiet and not is_set else settings.log
    log.set_up(how, settings.cluster.own_name)
    return settings


def check_is_alone(settings: ClusterSettings) -> None:
    """Raise `SetupError` in a cluster: a command that opens an account's page would drive it beside its node."""
    if settings.url is not None:
        raise SetupError(
            "The nodes of the cluster drive the accounts, so this command may not open one; "
            "run it on a bridge without cluster.url that has a login of its own."
        )


def admin_client(context: typer.Context, url: str | None, key: str | None) -> AdminClient:
    """Return an admin client of the bridge at `url`, by default of the one that the settings describe."""
    from bridge.cli.admin_client import admin_client_of

    settings = load(context)
    return admin_client_of(settings.config, settings.server, url, key)


def given_only(**options: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def confirmed(question: str) -> bool:
    """Ask a yes-or-no question at the terminal; the end of the input means no."""
    try:
        return console.input(f"{question} (y/n) ", markup=False).strip().lower() in ("y", "yes")
    except EOFError:
        return False
