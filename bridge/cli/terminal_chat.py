"""A chat in the terminal, over the bridge's own HTTP endpoint.

If no bridge runs, one is started for the chat.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import termios
import threading
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from typing import Any, Self

from rich.console import Console

from bridge.app import running
from bridge.client import Client, Piece, client_of
from bridge.errors import BridgeError, SetupError
from bridge.printable import as_text
from bridge.settings import Settings

HELP = "/model NAME changes the model, /new starts a new chat, /quit or Ctrl-D ends, Ctrl-C stops an answer."


@asynccontextmanager
async def connected(settings: Settings, url: str | None, key: str | None) -> AsyncGenerator[Client]:
    """Yield a client of the bridge at `url`, by default of the running one, or else of one started for the chat."""
    client = client_of(settings.config, settings.server, url, key)
    async with AsyncExitStack() as stack:
        if url is None and not await client.is_bridge():
            alone = settings.server.model_copy(update={"host": "127.0.0.1", "port": 0, "no_auth": False})
            own = await stack.enter_async_context(running(settings.model_copy(update={"server": alone})))
            client = client_of(settings.config, settings.server, own.url, None)
        yield client


class Screen:
    """Writes pieces as they come; thinking is dim at a terminal, and left out elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._is_thinking = False

    def add(self, piece: Piece) -> None:
        """Write one piece at once."""
        if piece.is_thinking and not self._console.is_terminal:
            return
        text = as_text(piece.text)
        if self._is_thinking and not piece.is_thinking:
            text = "\n\n" + text.lstrip("\n")
        self._is_thinking = piece.is_thinking
        self._write(f"\x1b[2m{text}\x1b[22m" if piece.is_thinking else text)

    def end(self) -> None:
        """End the line."""
        self._write("\n")

    def _write(self, text: str) -> None:
        # not through the console, which would wrap lines and turn tabs into spaces
        self._console.file.write(text)
        self._console.file.flush()


class Conversation:
    """A chat and the history that is sent with each turn of it."""

    def __init__(self, client: Client, model: str) -> None:
        self.client = client
        self.model = model
        self._messages: list[Mapping[str, str]] = []

    async def say(self, prompt: str, screen: Screen) -> None:
        """Send one message and write the answer; a turn that fails leaves no trace in the history."""
        messages = [*self._messages, {"role": "user", "content": prompt}]
        answer: list[str] = []
        async with aclosing(self.client.stream(self.model, messages)) as pieces:
            async for piece in pieces:
                screen.add(piece)
                if not piece.is_thinking:
                    answer.append(piece.text)
        self._messages = [*messages, {"role": "assistant", "content": "".join(answer)}]

    def forget(self) -> None:
        """Start a new chat."""
        self._messages = []


async def chat(
    settings: Settings, console: Console, prompt: str | None, model: str | None, url: str | None, key: str | None
) -> None:
    """Print the answer to `prompt`, or without one chat at the terminal until the user quits."""
    async with connected(settings, url, key) as client:
        if model is None:
            model = next(iter(await client.models()), None)
        if model is None:
            raise SetupError("No account is logged in; run `bridge login NAME`.")
        conversation = Conversation(client, model)
        if prompt is None:
            await _chat_loop(conversation, console)
        else:
            screen = Screen(console)
            await conversation.say(prompt, screen)
            screen.end()


async def _chat_loop(conversation: Conversation, console: Console) -> None:
    console.print(f"Chatting with {conversation.model} at {conversation.client.url}.", style="dim", markup=False)
    console.print(HELP, style="dim", markup=False)
    with Keyboard() as keyboard:
        while (line := await keyboard.line("› ")) is not None:
            match line.split(maxsplit=1):
                case []:
                    pass
                case ["/quit" | "/exit"]:
                    return
                case ["/new"]:
                    conversation.forget()
                    console.print("A new chat.", style="dim")
                case ["/model", name]:
                    await _change_model(conversation, name.strip(), console)
                case [word, *_] if word.startswith("/"):
                    console.print(HELP, style="dim", markup=False)
                case _:
                    await keyboard.interruptible(_turn(conversation, line, console))
        console.print()


async def _change_model(conversation: Conversation, name: str, console: Console) -> None:
    try:
        await conversation.client.check_model(name)
    except BridgeError as error:
        console.print(error.message, style="red", markup=False)
    else:
        conversation.model = name
        console.print(f"The next answers come from {name}.", style="dim", markup=False)


async def _turn(conversation: Conversation, line: str, console: Console) -> None:
    screen = Screen(console)
    try:
        await conversation.say(line, screen)
    except BridgeError as error:
        console.print(error.message, style="red", markup=False)
    except asyncio.CancelledError:
        console.print(" [stopped]", style="dim", markup=False, end="")
        raise
    finally:
        screen.end()


class Keyboard:
    """Reads lines from the terminal; Ctrl-C stops the running answer or, at the prompt, the chat."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._line: asyncio.Future[str | None] = self._loop.create_future()
        self._work: asyncio.Task[None] | None = None
        self._mode: list[Any] | None = None

    def __enter__(self) -> Self:
        import readline  # noqa: F401 - gives `input` editing and a history

        self._loop.add_signal_handler(signal.SIGINT, self._interrupt)
        if sys.stdin.isatty():
            self._mode = termios.tcgetattr(sys.stdin)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.remove_signal_handler(signal.SIGINT)
        if self._mode is not None:  # a thread may still wait in `input`, which has changed the terminal's mode
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._mode)

    async def line(self, prompt: str) -> str | None:
        """Return the next line, or None at the end of the input."""
        self._line = self._loop.create_future()
        threading.Thread(target=self._read, args=(prompt, self._line), daemon=True).start()
        return await self._line

    async def interruptible(self, work: Coroutine[None, None, None]) -> None:
        """Run `work` to its end; Ctrl-C cancels it."""
        async with asyncio.TaskGroup() as tasks:
            self._work = tasks.create_task(work)

    def _read(self, prompt: str, line: asyncio.Future[str | None]) -> None:
        try:
            answer: str | None = input(prompt)
        except (EOFError, UnicodeDecodeError):
            answer = None
        with suppress(RuntimeError):  # the loop has ended before the line came
            self._loop.call_soon_threadsafe(_give, line, answer)

    def _interrupt(self) -> None:
        if self._work is not None and not self._work.done():
            self._work.cancel()
        elif not self._line.done():
            self._line.set_exception(KeyboardInterrupt())


def _give(line: asyncio.Future[str | None], answer: str | None) -> None:
    if not line.done():
        line.set_result(answer)
