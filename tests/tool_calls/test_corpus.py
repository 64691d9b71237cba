"""The corpus of model outputs: the right calls or the untouched text, wherever the text was cut."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from bridge.tool_calls.notation import Call, Tool, Toolbox
from bridge.tool_calls.parser import CallParser, Rejected, Segment
from tests.support.stress import stress

FOLDER = Path(__file__).parent.parent / "corpus" / "tool_calls"


def toolbox(folder: Path) -> Toolbox:
    tools = json.loads((folder / "tools.json").read_text("utf-8"))
    functions = [tool.get("function", tool) for tool in tools]
    return Toolbox(tuple(Tool(tool["name"], tool["description"], tool["parameters"]) for tool in functions))


TOOLBOXES = {file.parent: toolbox(file.parent) for file in FOLDER.rglob("tools.json")}
OUTPUTS = [
    {**json.loads(line), "tools": TOOLBOXES[file.parent], "file": file.stem}
    for file in sorted(FOLDER.rglob("*.jsonl"))
    for line in file.read_text("utf-8").splitlines()
]
FILES = sorted({output["file"] for output in OUTPUTS})
IN_FILES = pytest.mark.parametrize("file", FILES)
"""One test for all outputs of a file: a test of its own takes longer than an output is read."""


def outputs_of(file: str) -> list[dict[str, Any]]:
    return [output for output in OUTPUTS if output["file"] == file]


def segments(output: dict[str, Any], pieces: Iterable[str]) -> list[Segment]:
    parser = CallParser(output["tools"])
    found: list[Segment] = [segment for piece in pieces for segment in parser.feed(piece)]
    return [*found, *parser.end()]


def parsed(output: dict[str, Any], pieces: Iterable[str]) -> tuple[list[Call], str, list[str]]:
    """Return the calls, the text beside them, and why parts of it are none."""
    found = segments(output, pieces)
    calls = [segment for segment in found if isinstance(segment, Call)]
    texts = [segment.text if isinstance(segment, Rejected) else segment for segment in found]
    whys = [segment.why for segment in found if isinstance(segment, Rejected)]
    return calls, "".join(text for text in texts if isinstance(text, str)), whys


@IN_FILES
def test_every_output_gives_the_right_calls_and_leaves_the_text_alone(file: str) -> None:
    for output in outputs_of(file):
        calls, said, _ = parsed(output, [output["text"]])
        found = [{"name": call.name, "arguments": json.loads(call.arguments)} for call in calls]
        assert found == output["calls"], output["name"]
        if output["calls"]:
            assert said.strip() == output.get("said", ""), output["name"]
        else:
            assert said == output["text"], output["name"]


def test_what_only_speaks_of_calls_is_not_taken_for_one() -> None:
    for output in outputs_of("speaking"):
        assert parsed(output, [output["text"]]) == ([], output["text"], []), output["name"]


def test_a_call_that_cannot_be_read_says_why_and_whether_it_breaks_off() -> None:
    unread = [output for output in OUTPUTS if "why" in output]
    assert len(unread) > 40
    for output in unread:
        rejected = next(one for one in segments(output, [output["text"]]) if isinstance(one, Rejected))
        assert output["why"] in rejected.why, output["name"]
        assert rejected.is_cut_off == output["broken"], output["name"]


@pytest.mark.slow
@pytest.mark.parametrize("third", [0, *stress(1, 2)])
@IN_FILES
def test_an_output_may_come_character_by_character(file: str, third: int) -> None:
    for output in outputs_of(file)[third::3]:
        assert parsed(output, output["text"]) == parsed(output, [output["text"]]), output["name"]


@pytest.mark.stress
@IN_FILES
def test_it_does_not_matter_where_an_output_is_cut(file: str) -> None:
    for output in outputs_of(file):
        text = output["text"]
        whole = parsed(output, [text])
        for place in range(1, len(text)):
            assert parsed(output, [text[:place], text[place:]]) == whole, (output["name"], place)


def test_the_corpus_is_large_and_no_output_is_in_it_twice() -> None:
    assert len(OUTPUTS) >= 450
    assert len({output["name"] for output in OUTPUTS}) == len({output["text"] for output in OUTPUTS}) == len(OUTPUTS)
