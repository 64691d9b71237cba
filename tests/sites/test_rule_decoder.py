"""The streams of the sites mean the same wherever the network cuts them; no document makes the decoder fail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import pytest

import bridge.sites
from bridge.chat.types import ChatEvent
from bridge.errors import BridgeError
from bridge.sites.site_file.rule_decoder import AnswerRules, RuleDecoder
from bridge.sites.site_file.schema import load_site_file
from tests.support.site_streams import STREAMS, Stream, joined

FILES = Path(bridge.sites.__file__).parent / "files"


@cache
def rules_of(site: str) -> AnswerRules:
    return AnswerRules(load_site_file(FILES / f"{site}.toml"))


def decoded(stream: Stream, pieces: Iterable[bytes]) -> tuple[list[ChatEvent], BridgeError | None, RuleDecoder]:
    """Return the events of a stream, and the error that ends it."""
    decoder, events = RuleDecoder(rules_of(stream.site)), list[ChatEvent]()
    try:
        decoder.begin(stream.response)
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.end()
        events += decoder.feed(b"")  # an error behind the last events
    except BridgeError as error:
        return joined(events), error, decoder
    return joined(events), None, decoder


def check(stream: Stream, pieces: Sequence[bytes]) -> None:
    events, error, decoder = decoded(stream, pieces)
    assert tuple(events) == stream.events, error
    assert type(error) is (stream.error or type(None))
    assert stream.says in (error.message if error else "")
    assert decoder.drift == {} or stream.error


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_a_stream_means_the_same_wherever_it_is_cut(stream: Stream) -> None:
    body = stream.body
    check(stream, [body])
    check(stream, [body[at : at + 1] for at in range(len(body))])
    for at in range(len(body)):
        check(stream, [body[:at], body[at:]])
