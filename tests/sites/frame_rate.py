"""Prints how many one-token frames a second the decoder of each site file takes, on one core, without a browser.

Run it with `python -m tests.sites.frame_rate`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

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


def bodies(frames: int) -> Mapping[str, bytes]:
    """Return an answer of so many words for each site whose texts are deltas."""
    return {
        "zai": sse(ZAI[0], *[zai(phase="answer", delta_content=WORD)] * frames, *ZAI[6:]),
        "qwen": sse(QWEN[0], *[qwen("answer", WORD)] * frames, QWEN[-1]),
        "metaso": sse(*METASO[:3], *[{"choices": [{"delta": {"content": WORD}}]}] * frames, METASO[-1]),
        "doubao": sse(*DOUBAO[:3], DOUBAO[5], *[("CHUNK_DELTA", {"text": WORD})] * frames, DOUBAO[-1]),
        "minimax": sse(MINIMAX[0], *[minimax(msg_content=WORD)] * frames, MINIMAX[4]),
        "kimi": connect(*KIMI[:3], KIMI[8], *(kimi(100 + number) for number in range(frames)), *KIMI[-2:]),
        "stepfun": connect(STEPFUN[0], *[step("textEvent", text=WORD)] * frames, STEPFUN[-1]),
    }


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
    for site, body in bodies(frames).items():
        rate = frames / min(seconds(rules_of(site), body, frames) for _ in range(rounds))
        print(f"{site:10}{rate:>12,.0f} frames a second")


if __name__ == "__main__":
    main()
