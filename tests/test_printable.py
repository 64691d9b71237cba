"""What a client, a model or a page writes never steers the terminal or the log that shows it."""

from __future__ import annotations

import io
import json
import logging
import sys
import unicodedata
from collections.abc import Generator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger
from rich.console import Console
from rich.text import Text

from bridge import log
from bridge.cli.console import SafeConsole
from bridge.cli.terminal_chat import Screen
from bridge.client import Piece
from bridge.printable import as_json_line, as_line, as_text
from bridge.settings import LogSettings

HOSTILE = "a\x1b[2J\x1b]0;title\x07b\x9b31mc\rd\u202ee\u2066f\x85g\u2028h\x00i"
DIRECTION = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


def obeyed(text: str) -> list[str]:
    """Return what of `text` a terminal would obey instead of showing it."""
    return [
        character
        for character in text
        if unicodedata.category(character) in ("Cc", "Zl", "Zp") or unicodedata.bidirectional(character) in DIRECTION
    ]


@pytest.fixture(autouse=True)
def _log_as_before() -> Generator[None]:
    yield
    logger.remove()
    logger.add(sys.stderr)
    logging.getLogger().handlers.clear()


@given(st.text())
def test_a_line_stays_one_line_and_is_obeyed_by_no_terminal(text: str) -> None:
    assert obeyed(as_line(text)) == []


@given(st.text())
def test_a_text_keeps_its_words_its_line_breaks_and_tabs(text: str) -> None:
    shown = as_text(text)
    assert set(obeyed(shown)) <= {"\n", "\t"}
    assert shown == "".join(char for char in text if char in shown)


@given(st.text())
def test_json_means_the_same_afterwards(text: str) -> None:
    line = as_json_line(json.dumps(text, ensure_ascii=False))
    assert obeyed(line) == []
    assert json.loads(line) == text


@pytest.mark.parametrize("json_lines", [False, True])
def test_the_log_cannot_be_steered_nor_given_entries_by_what_it_quotes(
    json_lines: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    log.set_up(LogSettings(json_lines=json_lines))
    forged = "12:00:00.000 ERROR   the browser is lost"
    logger.bind(reason=HOSTILE).warning("The page says: {}\n{}", HOSTILE, forged)
    try:
        raise ValueError(f"{HOSTILE}\n{forged}")
    except ValueError as error:
        logger.opt(exception=error).error("It failed")
    logging.getLogger("asyncio").error("Future exception: %s\n%s", HOSTILE, forged)
    written = capfd.readouterr().err
    assert set(obeyed(written)) == {"\n"}
    assert not any(line.startswith(forged) for line in written.splitlines())
    assert written.count("the browser is lost") >= (2 if json_lines else 3)


@pytest.mark.parametrize("is_terminal", [False, True])
def test_the_console_shows_what_it_is_given_and_obeys_only_its_own_colours(is_terminal: bool) -> None:
    file = io.StringIO()
    console = SafeConsole(file=file, force_terminal=is_terminal, width=200)
    console.print(Text.assemble(("Error: ", "bold red"), HOSTILE), soft_wrap=True)
    console.print(HOSTILE, markup=False)
    own = "\x1b[1;31mError: \x1b[0m" if is_terminal else "Error: "
    assert obeyed(file.getvalue().replace(own, "")) == ["\n", "\n"]


def test_an_answer_in_the_terminal_keeps_its_words_and_steers_nothing() -> None:
    file = io.StringIO()
    screen = Screen(Console(file=file))
    for character in HOSTILE:
        screen.add(Piece(character))
    assert obeyed(file.getvalue()) == []
    assert file.getvalue() == "a[2J]0;titleb31mcdefghi"
