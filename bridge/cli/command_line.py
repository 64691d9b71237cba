"""The command line: assembles the commands, runs one, and turns its errors into a line and an exit code.

A `BridgeError` ends a command with one line on standard error and the exit code 1. Ctrl-C, SIGTERM and SIGHUP end it
with 130; no process of the command stays behind.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.text import Text

from bridge.cli.commands.accounts_command import accounts
from bridge.cli.commands.backup_command import backup, restore
from bridge.cli.commands.bench_command import bench
from bridge.cli.commands.chat_command import chat
from bridge.cli.commands.cluster_command import cluster
from bridge.cli.commands.dashboard_command import dashboard
from bridge.cli.commands.debug_command import debug
from bridge.cli.commands.demo_command import demo
from bridge.cli.commands.doctor_command import doctor
from bridge.cli.commands.install_command import install
from bridge.cli.commands.keys_command import keys
from bridge.cli.commands.learn_command import learn
from bridge.cli.commands.login_command import login
from bridge.cli.commands.profiles_command import profiles
from bridge.cli.commands.replay_command import replay
from bridge.cli.commands.serve_command import ServeCommand, serve
from bridge.cli.commands.sites_command import sites
from bridge.cli.commands.status_command import status
from bridge.cli.commands.usage_command import usage
from bridge.cli.commands.version_command import version
from bridge.cli.console import SafeConsole
from bridge.cli.options import ENDING
from bridge.errors import BridgeError

app = typer.Typer(
    help="An OpenAI-style endpoint in front of a chat website, driven through its real page.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    *(demo, serve, login, learn, status, dashboard, usage, chat, doctor, debug, replay, backup, restore),
    *(install, bench, version),
):
    app.command(cls=ServeCommand if command is serve else None)(command)  # as `--help` lists them
app.add_typer(profiles, name="profiles")
app.add_typer(accounts, name="accounts")
app.add_typer(keys, name="keys")
app.add_typer(cluster, name="cluster")
app.add_typer(sites, name="sites")


@cache
def command_line() -> Callable[[], object]:
    """Return the Click command of all commands; it is built once."""
    return typer.main.get_command(app)


def main() -> None:
    """Run the command line."""
    for number in ENDING:
        if signal.getsignal(number) is signal.SIG_DFL:  # else the caller ignores it, as `nohup` does
            signal.signal(number, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        command_line()()
    except BridgeError as error:
        _fail(error.message)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # discards what is still buffered
        _fail(f"Cannot write the output: {error.strerror}.")


def _fail(message: str) -> NoReturn:
    line = Text.assemble(("Error: ", "bold red"), " ".join(message.split()))
    SafeConsole(stderr=True).print(line, soft_wrap=True)
    sys.exit(1)


def _interrupt(*_: object) -> None:
    """Do what Ctrl-C does, even if the shell made the command ignore it by running it in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings file to read instead of ./bridge.toml.")
    ] = None,
) -> None:
    """Read the options before the command."""
    context.obj = config
