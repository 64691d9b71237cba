"""The trace of a chat arrives at a real receiver: one tree of spans, where the client's trace goes on, and no text."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from bridge.app import running
from bridge.errors import SetupError
from bridge.monitor.chat_traces import ChatTraces, steps
from bridge.settings import Settings, TraceSettings
from bridge.telemetry import ChatEnded, DriftSeen
from tests.support.trace_receiver import receiving, values

MARKS = {
    "queued": 0.0,
    "started": 0.4,
    "opened": 0.6,
    "sent": 1.4,
    "first_byte": 3.4,
    "first_token": 4.0,
    "answered": 11.0,
    "end": 12.0,
}
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ENDED = ChatEnded(
    "c-1",
    "DeepSeek-R1",
    "alice",
    "stop",
    "a reason with a secret",
    MARKS,
    tokens=30,
    variant="deepseek-think",
    dialect="openai",
    prompt_tokens=12,
    trace_parent=f"00-{TRACE}-{PARENT}-01",
    site="deepseek",
)


async def sent(*facts: ChatEnded | DriftSeen, node: str = "") -> None:
    """Send the traces of these facts, and wait until they are out."""
    traces = await asyncio.to_thread(ChatTraces, node)
    for fact in facts:
        traces(fact)
    await traces.close()


async def test_a_chat_is_one_tree_in_the_clients_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving(monkeypatch) as receiver:
        await sent(DriftSeen("deepseek", "p=x", 1), ENDED)
    chat = receiver.named("chat deepseek-think")
    assert (chat.trace_id.hex(), chat.parent_span_id.hex(), chat.kind) == (TRACE, PARENT, Span.SPAN_KIND_SERVER)
    children = [span for span in receiver.spans if span is not chat]
    assert [span.name for span in children] == [
        *("queue", "prepare", "send", "first_byte", "first_token", "answer", "settle"),
    ]
    assert {(span.trace_id.hex(), span.parent_span_id) for span in children} == {(TRACE, chat.span_id)}


async def test_each_step_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving(monkeypatch) as receiver:
        await sent(ENDED)
    chat = receiver.named("chat deepseek-think")
    begun = chat.start_time_unix_nano
    assert abs(begun / 1e9 + MARKS["end"] - time.time()) < 60

    def at(nanoseconds: int) -> float:
        return round((nanoseconds - begun) / 1e9, 3)

    times = {span.name: (at(span.start_time_unix_nano), at(span.end_time_unix_nano)) for span in receiver.spans}
    assert times == {
        "chat deepseek-think": (0.0, 12.0),
        "queue": (0.0, 0.4),
        "prepare": (0.4, 0.6),
        "send": (0.6, 1.4),
        "first_byte": (1.4, 3.4),
        "first_token": (3.4, 4.0),
        "answer": (4.0, 11.0),
        "settle": (11.0, 12.0),
    }


async def test_the_attributes_have_the_names_of_the_conventions_and_hold_no_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with receiving(monkeypatch) as receiver:
        await sent(ENDED)
    assert values(receiver.named("chat deepseek-think").attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "deepseek",
        "gen_ai.request.model": "DeepSeek-R1",
        "gen_ai.response.model": "deepseek-think",
        "gen_ai.response.id": "c-1",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 30,
        "bridge.dialect": "openai",
        "bridge.account": "alice",
        "bridge.result": "stop",
    }
    assert "secret" not in str(receiver.spans)


async def test_a_chat_that_fails_says_so_and_the_step_in_which_it_failed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    marks = {name: MARKS[name] for name in ("queued", "started", "opened")} | {"end": 30.0}
    async with receiving(monkeypatch) as receiver:
        await sent(replace(ENDED, result="site_busy", marks=marks, trace_parent=""))
    failed = {span.name: values(span.attributes).get("error.type") for span in receiver.spans}
    assert failed == {"queue": None, "prepare": None, "send": "site_busy", "chat deepseek-think": "site_busy"}
    assert receiver.named("send").status.code == Status.STATUS_CODE_ERROR
    assert receiver.named("chat deepseek-think").parent_span_id == b""


async def test_a_client_that_leaves_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving(monkeypatch) as receiver:
        await sent(replace(ENDED, result="cancelled"))
    assert {span.status.code for span in receiver.spans} == {Status.STATUS_CODE_UNSET}


async def test_the_standard_variables_say_how_the_service_is_called_and_what_goes_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with receiving(monkeypatch) as receiver:
        await sent(ENDED)
        assert receiver.resource["service.name"] == "chat-page-bridge"
        monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=one")
        await sent(ENDED)
        assert (receiver.resource["service.name"], receiver.headers) == ("mine", ["", "one"])
        assert receiver.resource["deployment.environment.name"] == "test"


async def test_a_node_of_a_cluster_names_itself_unless_the_variables_do(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving(monkeypatch) as receiver:
        found = []
        for variable in ("", "service.instance.id=mine"):
            monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", variable)
            await sent(ENDED, node="one")
            found.append(receiver.resource["service.instance.id"])
        assert found == ["one", "mine"]


async def test_a_trace_that_the_client_does_not_keep_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving(monkeypatch) as receiver:
        await sent(replace(ENDED, trace_parent=f"00-{TRACE}-{PARENT}-00"))
    assert receiver.spans == []


async def test_nobody_who_takes_the_traces_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    async with asyncio.timeout(30):
        await sent(ENDED)


def only(*names: str) -> Iterator[str]:
    """Yield the steps of a chat that has these marks beside those of its begin and end."""
    marks = {name: MARKS[name] for name in ("queued", *names, "end")}
    return (step for step, _, _ in steps(marks))


def test_a_step_that_did_not_happen_has_no_span() -> None:
    assert list(only()) == ["queue"]
    assert list(only("started")) == ["queue", "prepare"]
    until_byte = ("queue", "prepare", "send", "first_byte")
    without_token = only("started", "opened", "sent", "first_byte", "answered")
    assert list(without_token) == [*until_byte, "answer", "settle"]


async def test_without_the_library_the_bridge_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bridge.monitor.chat_traces", None)
    settings = Settings(config=tmp_path, profiles=tmp_path / "profiles", traces=TraceSettings(enabled=True))
    with pytest.raises(SetupError, match=r"pip install 'chat-page-bridge\[otel\]'"):
        async with running(settings):
            pass
