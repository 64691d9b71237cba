"""Prints how many one-token frames a second the decoder of each site file takes, on one core, without a browser.

Run it with `python -m tests.sites.frame_rate`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from bridge.browser.page_messages import PageResponse
from bridge.chat.types import Finish, Text
from bridge.sites.site_file.rule_decoder import AnswerRules, RuleDecoder
from tests.support.site_files import rules_of
from tests.support.site_streams import (
    DOUBAO,
    KIMI,
    METASO,
    MINIMAX,
    QWEN,
    STEPFUN,
    ZAI,
    connect,
    minimax,
    qwen,
    sse,
    step,
    zai,
)

PIECE = 4096
WORD = "answer "
MARKED = PageResponse("https://site.invented.test/answer", 200, {"content-type": "text/event-stream"})


def kimi(offset: int) -> dict[str, object]:
    block = {"id": "3", "text": {"content": WORD}}
    return {"op": "append", "mask": "block.text.content", "block": block, "eventOffset": offset}


BODIES: Mapping[str, Callable[[int], bytes]] = {
    "zai": lambda frames: sse(ZAI[0], *[zai(phase="answer", delta_content=WORD)] * frames, *ZAI[6:]),
    "qwen": lambda frames: sse(QWEN[0], *[qwen("answer", WORD)] * frames, QWEN[-1]),
    "metaso": lambda frames: sse(*METASO[:3], *[{"choices": [{"delta": {"content": WORD}}]}] * frames, METASO[-1]),
    "doubao": lambda frames: sse(*DOUBAO[:3], DOUBAO[5], *[("CHUNK_DELTA", {"text": WORD})] * frames, DOUBAO[-1]),
    "minimax": lambda frames: sse(MINIMAX[0], *[minimax(msg_content=WORD)] * frames, MINIMAX[4]),
    "kimi": lambda frames: connect(*KIMI[:3], KIMI[8], *map(kimi, range(100, 100 + frames)), *KIMI[-2:]),
    "stepfun": lambda frames: connect(STEPFUN[0], *[step("textEvent", text=WORD)] * frames, STEPFUN[-1]),
}
"""How an answer of so many words is made for each site whose texts are deltas."""


def seconds(rules: AnswerRules, body: bytes, frames: int) -> float:
    """Return the time of the processor that decoding takes; the answer must be whole."""
    decoder = RuleDecoder(rules)
    pieces = [body[at : at + PIECE] for at in range(0, len(body), PIECE)]
    begun = time.process_time()
    decoder.begin(MARKED)
    events = [event for piece in pieces for event in decoder.feed(piece)] + list(decoder.end())
    taken = time.process_time() - begun
    assert "".join(event.text for event in events if isinstance(event, Text)).count(WORD) == frames
    assert events[-1] == Finish()
    return taken


def main(frames: int = 20_000, rounds: int = 5) -> None:
    """Print the best of some rounds for each site."""
    for site, body_of in BODIES.items():
        body = body_of(frames)
        rate = frames / min(seconds(rules_of(site), body, frames) for _ in range(rounds))
        print(f"{site:10}{rate:>12,.0f} frames a second")


if __name__ == "__main__":
    main()
