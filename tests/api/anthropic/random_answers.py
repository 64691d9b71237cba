"""Random answers of the model, cut at random places, and options that bend how they are shown."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

from bridge.chat.types import ChatEvent, Finish, Opened, Searched, Source, Text, Thinking
from tests.api.anthropic.asking import OSLO, ROME, WEATHER

ROMANS = Source(1, "https://rome.example/a", "Rome", "Rome is warm.")
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
PROSE = st.text(st.sampled_from("ab <[]`\n*é🚀"), min_size=1, max_size=8)
SAID = st.lists(
    PROSE | st.sampled_from([ROME, f"\n{OSLO}\n", "[citation:1]", "STOP", "[citation:2]", "<tool_call>"]),
    min_size=1,
    max_size=8,
)
THOUGHT = st.lists(PROSE, max_size=3).map("".join)
CUTS = st.lists(st.integers(0, 400), max_size=12)
TWO_CUTS = st.tuples(CUTS, CUTS)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "tools": st.sampled_from([[WEATHER], [SEARCH], [WEATHER, SEARCH]]),
        "stop_sequences": st.sampled_from([["STOP"], ["TOP", "STO"]]),
        "max_tokens": st.integers(1, 60),
        "thinking": st.sampled_from([{"type": "enabled"}, {"type": "adaptive", "display": "omitted"}]),
        "model": st.sampled_from(["deepseek-search", "deepseek-fold", "deepseek-silent", "deepseek-r1-search-fold"]),
    },
)


def in_pieces(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, *(min(cut, len(text)) for cut in cuts), len(text)})
    return [text[begin:end] for begin, end in pairwise(places)]


def script(thought: str, said: str, cuts: list[int]) -> tuple[ChatEvent, ...]:
    found = Searched(("q",), (ROMANS, Source(2, "https://oslo.example/", "Oslo")))
    thinking = (Thinking(piece) for piece in in_pieces(thought, cuts))
    return (Opened(), found, *thinking, *map(Text, in_pieces(said, cuts)), Finish())
