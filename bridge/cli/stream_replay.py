"""Prints the events that a site's decoder reads in recorded streams, without a browser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

from rich.console import Console
from rich.text import Text as Line

from bridge.browser.page_messages import PageResponse
from bridge.chat.types import ChatEvent
from bridge.errors import BridgeError, SetupError
from bridge.sites.contract import Decoder
from bridge.sites.known_sites import load_driver

KINDS = {b"{": "application/json", b"<": "text/html"}
"""The content type of a body by its first byte; all others are event streams."""


def replay(files: Sequence[Path], site: str, console: Console, own_files: Path | None = None) -> bool:
    """Decode the responses of one chat and print each event with its offset; return whether none failed."""
    decoder = load_driver(site, own_files).fresh_decoder()
    for file in files:
        try:
            body = file.read_bytes()
        except OSError as error:
            raise SetupError(f"Cannot read {file}: {error.strerror}.") from error
        console.print(Line(f"{file} ({len(body)} bytes)", "bold"), soft_wrap=True)
        try:
            for offset, event in decoded(decoder, body):
                console.print(Line.assemble((f"{offset:9}", "dim"), f"  {shown(event)}"), soft_wrap=True)
        except BridgeError as error:
            console.print(Line.assemble((f"{error.code:>9}", "red"), f"  {error.message}"), soft_wrap=True)
            return False
    for shape, count in decoder.drift.items():
        console.print(Line.assemble(("  unknown", "yellow"), f"  {shape}, {count} times"), soft_wrap=True)
    return True


def decoded(decoder: Decoder, body: bytes) -> Iterator[tuple[int, ChatEvent]]:
    """Yield the events of one response, each with the offset of the line of `body` that completed it."""
    kind = KINDS.get(body.lstrip()[:1], "text/event-stream")
    decoder.begin(PageResponse("", 200, {"content-type": kind}))
    offset = 0
    for line in body.splitlines(keepends=True):
        for event in decoder.feed(line):
            yield offset, event
        offset += len(line)
    for event in decoder.end():
        yield offset, event


def shown(event: ChatEvent) -> str:
    """Return an event on one line: its kind, and its fields that are not empty."""
    held = ((field.name, getattr(event, field.name)) for field in fields(event))
    return f"{type(event).__name__:10}" + " ".join(f"{name}={value!r}" for name, value in held if value)
