"""The console of all commands, which removes control characters from the text that it prints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

from bridge.printable import as_text


class SafeConsole(Console):
    """A `rich` console without highlighting; only its own control sequences reach the terminal."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, **options)
        self.push_render_hook(_Cleaning())


class _Cleaning(RenderHook):
    """Cleans what is printed before it reaches the terminal."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Return the renderables without control characters."""
        return [Clean(renderables)]


class Clean:
    """Renders others without control characters; needed for `rich.live`, which bypasses the console's render hook."""

    def __init__(self, renderables: Iterable[ConsoleRenderable]) -> None:
        self._renderables = renderables

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for renderable in self._renderables:
            for part in console.render(renderable, options):
                yield part if part.control else Segment(as_text(part.text), part.style)
