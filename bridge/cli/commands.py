"""The command line. What a command needs is imported when it runs, so that `--help` is there at once.

A `BridgeError` ends a command with one line on standard error and the exit code 1. Ctrl-C ends it with 130, and so
does every signal that asks it to end: it leaves nothing running behind.
"""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.text import Text
from typer.core import TyperCommand

from bridge.cli.accounts_command import accounts, admin
from bridge.cli.console import SafeConsole
from bridge.cli.keys_command import keys
from bridge.cli.options import ENDING, Key, Name, Url, console, flag, given_only, load, run, say
from bridge.cli.profiles_command import kept
from bridge.errors import BridgeError, SetupError


class WithSettings(TyperCommand):
    """A command whose help ends with all settings."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        from bridge.cli.listing import show_settings

        super().format_help(ctx, formatter)
        show_settings(console)


app = typer.Typer(
    help="An OpenAI-style endpoint in front of a chat website, driven through its real page.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(kept, name="profiles")
app.add_typer(accounts, name="accounts")
app.add_typer(keys, name="keys")


def main() -> None:
    """Run the command line."""
    for number in ENDING:
        if signal.getsignal(number) is signal.SIG_DFL:  # else somebody wants it ignored, as `nohup` does
            signal.signal(number, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except BridgeError as error:
        _fail(error.message)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still to be written is let go
        _fail(f"Cannot write the output: {error.strerror}.")


def _fail(message: str) -> NoReturn:
    line = Text.assemble(("Error: ", "bold red"), " ".join(message.split()))
    SafeConsole(stderr=True).print(line, soft_wrap=True)
    sys.exit(1)


def _interrupt(*_: object) -> None:
    """Do what Ctrl-C does, also where the shell has that ignored because the command runs in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="Settings file, instead of bridge.toml.")] = None,
) -> None:
    """Take the options that stand before the command."""
    context.obj = config


@app.command()
def demo(
    context: typer.Context,
    once: Annotated[bool, flag("--once", help="Show one chat and end.")] = False,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Try it all on a built-in chat site, no account needed."""
    from bridge.cli.demo_command import try_out

    run(try_out(load(context, server=given_only(port=port)), console, port, once=once))


@app.command(cls=WithSettings)
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    headed: Annotated[bool | None, flag("--headed", help="Show the browser's windows.")] = None,
    no_auth: Annotated[bool | None, flag("--no-auth", help="Ask for no API key.")] = None,
    slow_mo: Annotated[
        float | None, typer.Option(metavar="MS", help="Hold up each step in the browser, for watching.")
    ] = None,
    trace: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep a Playwright trace of each chat.")] = None,
    record: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the raw streams of each chat.")] = None,
    profiles: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the captured logins.")] = None,
    log_level: Annotated[str | None, typer.Option(metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR.")] = None,
) -> None:
    """Serve the endpoint, with all captured logins."""
    from bridge.app import serve as serve_until_told
    from bridge.cli.chat_command import announce

    settings = load(
        context,
        quiet=False,
        server=given_only(host=host, port=port, no_auth=no_auth),
        browser=given_only(headed=headed, slow_mo=slow_mo, trace=trace, record=record),
        log=given_only(level=log_level and log_level.upper()),
        **given_only(profiles=profiles),
    )
    run(serve_until_told(settings, lambda bridge: announce(console, bridge, settings)))


@app.command()
def login(
    context: typer.Context,
    name: Name,
    site: Annotated[str, typer.Option(help="Site of the account.")] = "deepseek",
    url: Annotated[str | None, typer.Option(help="Where the site is, if not at its usual place.")] = None,
    form: Annotated[bool, flag("--form", help="Fill the site's password form; needs no screen.")] = False,
    user: Annotated[str | None, typer.Option(help="User name for --form; asked for when left out.")] = None,
    keep_browser: Annotated[bool, flag("--keep-browser", help="Keep the browser's folder, not a copy.")] = False,
    token: Annotated[bool, flag("--token", help="Take a userToken of the site; it is asked for.")] = False,
    state: Annotated[
        Path | None, typer.Option("--import", metavar="FILE", help="Take a storage state in Playwright's form.")
    ] = None,
) -> None:
    """Sign in to an account once, and keep the login.

    With a screen a window opens; without one a link to a view of the page is printed, for any browser. With --form the
    password is asked for, or taken from the variable BRIDGE_PASSWORD; with --token the userToken, or BRIDGE_TOKEN. Both
    may stand in a file `.env`. --keep-browser is for sites whose login no copy holds: the account gets a browser of its
    own, whose folder stands unencrypted in the config folder.
    """
    from bridge.cli import import_command, login_command

    if sum((form, token, state is not None)) > 1:
        raise SetupError("Take one of --form, --token and --import.")
    where = (name, site, url)
    if token:
        say(run(import_command.take_token(load(context), *where)))
    elif state is not None:
        say(run(import_command.take_state(load(context), *where, state)))
    elif form or login_command.has_screen():
        settings, credentials = (
            load(context, browser={} if form else {"headed": True, "shell": False}),
            login_command.ask(user) if form else None,
        )
        run(login_command.sign_in(settings, *where, credentials, say, keep_browser=keep_browser))
    else:
        from bridge.cli.login_link import log_in_remotely

        run(log_in_remotely(load(context), *where, say, keep_browser=keep_browser))


@app.command()
def status(
    context: typer.Context,
    as_json: Annotated[bool, flag("--json", help="Print everything once, as JSON.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Watch the accounts, the queue and the running chats of the bridge that runs.

    At a terminal the table goes on until Ctrl-C; elsewhere it is printed once.
    """
    from bridge.cli.status_command import show

    run(show(admin(context, url, key), console, as_json=as_json))


@app.command()
def dashboard(
    context: typer.Context,
    browser: Annotated[bool, flag("--open", help="Open it in a browser, too.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Print a link to the dashboard of the bridge that runs; it signs in once, within minutes."""
    link = run(admin(context, url, key).link("/dashboard"))["url"]
    say(link)
    if browser:
        from bridge.cli.login_command import need_screen

        need_screen("Open the link elsewhere.")
        typer.launch(link)


@app.command()
def chat(
    context: typer.Context,
    prompt: Annotated[str | None, typer.Argument(metavar="PROMPT", help="Answer this and end.")] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Model that answers.")] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Chat in the terminal.

    Takes the bridge that runs on this machine, or else starts one for as long as it needs it. A text that is
    piped in is answered as one prompt.
    """
    from bridge.cli import chat_command

    if prompt is None and not sys.stdin.isatty():
        prompt = sys.stdin.read()
    if prompt is not None and not prompt.strip():
        raise SetupError("There is no prompt.")
    run(chat_command.chat(load(context), console, prompt, model, url, key))


@app.command()
def doctor(
    context: typer.Context,
    site: Annotated[bool, flag("--site", help="Look only at the browser and the accounts' pages.")] = False,
    send: Annotated[bool, flag("--send", help="Send one short chat with each account, too.")] = False,
) -> None:
    """Check everything, and say what to do.

    Looks at settings, keys, logins, the browser, and on each account's page at every control and at the protocol of its
    scripts. It sends no chat unless asked to.
    """
    from bridge.cli.doctor_command import examine

    if not run(examine(load(context), context.obj, console, site=site, send=send)):
        sys.exit(1)


@app.command()
def debug(
    context: typer.Context,
    name: Name,
    text: Annotated[bool, flag("--text", help="Print the answers, too.")] = False,
    headless: Annotated[bool, flag("--headless", help="Open no window.")] = False,
) -> None:
    """Watch what the bridge sees of a page.

    Opens the account's page with developer tools. Chat in it by hand; requests, responses and events are printed
    as they come, without texts unless --text is given.
    """
    from bridge.cli.debug_command import watch
    from bridge.cli.listing import to_look_at
    from bridge.cli.login_command import need_screen

    if not headless:
        need_screen("Use `ssh -X` or `xvfb-run`, or --headless and look at the lines only.")
    settings = load(context, browser={"headed": not headless, "shell": False})
    run(watch(settings, to_look_at(settings).load(name), console, show_text=text))


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Responses of one chat, in order.")],
    site: Annotated[str, typer.Option(help="Site whose decoder reads them.")] = "deepseek",
) -> None:
    """Show what a decoder makes of streams that `serve --record` has kept.

    Prints each event with its offset in the file, and what was not understood; ends with 1 on an error.
    """
    from bridge.cli.replay_command import replay as play

    if not play(files, site, console):
        sys.exit(1)


@app.command()
def install(context: typer.Context) -> None:
    """Make sure that there is a Chromium, and print which one."""
    from bridge.browser import chromium

    say(str(chromium.install(load(context).browser, say)))


@app.command()
def bench(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file, too.")] = None,
    short: Annotated[bool, flag("--short", help="Only what takes seconds.")] = False,
    profile: Annotated[bool, flag("--profile", help="Show where the CPU time of a stream goes, instead.")] = False,
) -> None:
    """Measure on the demo site what the bridge adds, beside plain HTTP and a hand-written script."""
    from bridge.bench.profiling import profile as profiled
    from bridge.bench.run import measure

    if profile:
        say(run(profiled()))
        return
    report = run(measure(say, short=short))
    say(report.to_markdown())
    if json_file is not None:
        json_file.write_text(json.dumps(report.to_json(), indent=1), "utf-8")


@app.command()
def version() -> None:
    """Print the version."""
    from bridge import __version__

    say(__version__)
