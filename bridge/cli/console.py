"""The console of all commands: whatever text it is given, the terminal shows it and obeys none of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

from bridge.printable import as_text


class SafeConsole(Console):
    """A `rich` console without highlighting; its own colours and movements are the only ones."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, **options)
        self.push_render_hook(_Cleaning())


class _Cleaning(RenderHook):
    """Puts itself between what is printed and the terminal."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Return the same, made harmless."""
        return [Clean(renderables)]


class Clean:
    """Renders others, without the characters that a terminal obeys; `rich.live` passes by the console that does so."""

    def __init__(self, renderables: Iterable[ConsoleRenderable]) -> None:
        self._renderables = renderables

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for renderable in self._renderables:
            for part in console.render(renderable, options):
                yield part if part.control else Segment(as_text(part.text), part.style)
