"""The corpus of model outputs: the right calls or the untouched text, wherever the text was cut."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from bridge.tools.parse import CallParser, Rejected, Segment
from bridge.tools.render import Call, Tool, Toolbox

FOLDER = Path(__file__).parent / "corpus" / "tool_calls"
TOOLBOX = Toolbox(
    tuple(
        Tool(tool["name"], tool["description"], tool["parameters"])
        for tool in json.loads((FOLDER / "tools.json").read_text("utf-8"))
    )
)
OUTPUTS = [json.loads(line) for file in sorted(FOLDER.glob("*.jsonl")) for line in file.read_text("utf-8").splitlines()]


def parsed(pieces: Iterable[str]) -> tuple[list[Call], str]:
    """Return the calls and the text beside them."""
    parser = CallParser(TOOLBOX)
    segments: list[Segment] = [segment for piece in pieces for segment in parser.feed(piece)]
    segments += parser.end()
    calls = [segment for segment in segments if isinstance(segment, Call)]
    texts = [segment.text if isinstance(segment, Rejected) else segment for segment in segments]
    return calls, "".join(text for text in texts if isinstance(text, str))


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: output["name"])
def test_every_output_gives_the_right_calls_and_leaves_the_text_alone(output: dict[str, Any]) -> None:
    calls, said = parsed([output["text"]])
    assert [{"name": call.name, "arguments": json.loads(call.arguments)} for call in calls] == output["calls"]
    if output["calls"]:
        assert said.strip() == output.get("said", "")
    else:
        assert said == output["text"]


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: output["name"])
def test_it_does_not_matter_where_an_output_is_cut(output: dict[str, Any]) -> None:
    text = output["text"]
    whole = parsed([text])
    assert parsed(text) == whole
    for place in range(1, len(text)):
        assert parsed([text[:place], text[place:]]) == whole, place


def test_the_corpus_is_large_and_no_output_is_in_it_twice() -> None:
    assert len(OUTPUTS) >= 150
    assert len({output["name"] for output in OUTPUTS}) == len({output["text"] for output in OUTPUTS}) == len(OUTPUTS)
