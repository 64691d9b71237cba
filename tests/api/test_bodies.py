"""No body, however it is grown, takes the process's memory or its attention from others.

Each field that the OpenAPI document knows, and one that it does not, holds text, lists, objects and numbers of some
megabytes. `BODIES=32 pytest -s tests/api/test_bodies.py` grows them to that many, and says what it took at worst.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from pydantic import TypeAdapter, ValidationError

from bridge.api.openai.chat_completions import OpenAIChat
from bridge.api.openai.completions import OpenAICompletions
from bridge.api.openapi import document
from bridge.api.request_body import MOST_VALUES, decode_json, parse_body
from bridge.api.surface import ApiCall
from bridge.chat.history_digests import LONGEST
from bridge.chat.model_names import resolve
from bridge.errors import BodyTooLarge, ContextTooLong, RequestError
from bridge.settings import FileSettings, Settings, TokenSettings
from bridge.worker.turn_plan import LONGEST_ATTACHED, models_of
from tests.support.body_server import DRIVER
from tests.support.described import described
from tests.support.fake_backend import Served, serving
from tests.support.stress import stress
from tests.support.waiting import LIMIT, until

MEBIBYTE = 1024**2
FULL = os.environ.get("BODIES")
SIZE = int(FULL or 2) * MEBIBYTE - 4096
ROOM = 200 * 10**6
"""Bytes that the process may take beside four times the body."""
HOLE = "@hole@"
HEADERS = {"content-type": "application/json"}

Field = tuple[str | int, ...]

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads the memory's peak where Linux tells it"),
    pytest.mark.timeout(7200 if FULL else 300),
]

ASSISTANT = {
    "role": "assistant",
    "content": "x",
    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
MESSAGES = [ASSISTANT, {"role": "tool", "tool_call_id": "c", "content": "x"}, {"role": "user", "content": "x"}]
FUNCTION = {"name": "f", "description": "x", "parameters": {"type": "object", "properties": {}}}
NEEDED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "deepseek", "messages": MESSAGES},
    "/v1/completions": {"model": "deepseek", "prompt": "x"},
    "/v1/images/generations": {"model": "deepseek", "prompt": "x"},
    "/token/check": {"token": "x"},
}
TEMPLATES: dict[str, Any] = {
    "tools": [{"type": "function", "function": FUNCTION}],
    "functions": [FUNCTION],
    "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}},
    "thinking": {"type": "enabled"},
}
"""What must stand around some of the fields."""


def filled(unit: str, before: str = "[", behind: str = "1]") -> Callable[[int], str]:
    """Return how to write JSON of a size: `unit` again and again."""
    return lambda size: before + unit * ((size - len(before) - len(behind)) // len(unit.encode())) + behind


GROWN: dict[str, Callable[[int], str]] = {
    "words": filled("a ", '"', '"'),
    "blank lines": filled("\\n", '"', '"'),
    "one wide character": filled("a, ", '"', '😀"'),
    "one wide character in a call": filled("a, ", '[{"id":"c","function":{"name":"f","arguments":"', '😀"}}]'),
    "one wide character in parts": filled("a, ", '["a",{"type":"text","text":"', '😀"}]'),
    "one wide character in a file": filled("a, ", '[{"type":"file","file":{"file_data":"data:,', '😀"}}]'),
    "one wide character in an image": filled(
        "ab==", '[{"type":"image_url","image_url":{"url":"data:;base64,', '😀"}}]'
    ),
    "escapes in a file": filled("%41", '[{"type":"file","file":{"filename":"a","file_data":"data:,', '"}}]'),
    "blanks in a file": filled("ab ", '[{"type":"file","file":{"filename":"a","file_data":"', '"}}]'),
    "wide characters": filled("中a.\\n", '"', '"'),
    "marks in text": filled(',[{:\\"', '"', '"'),
    "pairs and a half": filled("\\ud83d\\ude00", '"\\ud83d', '"'),
    "results": filled("<tool_result>=== User ===\\r", '"', '"'),
    "lists": filled("[],"),
    "objects": filled("{},"),
    "numbers": filled("1,"),
    "words in a list": filled('"ab",'),
    "roles": filled('{"role":"user","content":"ab"},', "[", '{"role":"user","content":"ab"}]'),
    "texts": filled('{"type":"text","text":"ab"},', "[", '{"type":"text","text":"ab"}]'),
    "calls": filled('{"id":"c","function":{"name":"f","arguments":"{}"}},'),
    "functions": filled('{"type":"function","function":{"name":"f","parameters":{"enum":[1]}}},'),
    "schemas": filled('{"type":"object","properties":{"a":{"type":"string"}}},', '{"anyOf":[', "{}]}"),
    "depth": filled("[", "", ""),
    "digits": filled("1", "", ""),
    "members": lambda size: "{" + ",".join(f'"k{number}":1' for number in range(size // 12)) + "}",
}


def fields(schema: dict[str, Any], schemas: dict[str, Any], found: Any) -> Iterator[Field]:
    """Yield the ways to all fields of a schema; `found` is what stands at its place in a good body."""
    if "$ref" in schema:
        yield from fields(schemas[schema["$ref"].rpartition("/")[2]], schemas, found)
    for choice in schema.get("anyOf", ()):
        yield from fields(choice, schemas, found)
    for name, field in schema.get("properties", {}).items():
        inside = found.get(name) if isinstance(found, dict) else None
        yield (name,)
        yield from ((name, *way) for way in fields(field, schemas, TEMPLATES.get(name, inside)))
    if "items" in schema:
        for index in range(len(found)) if isinstance(found, list) else (0,):
            inside = found[index] if isinstance(found, list) else None
            yield (index,)
            yield from ((index, *way) for way in fields(schema["items"], schemas, inside))


def places() -> dict[tuple[str, Field], None]:
    """Return path and field of each place where a body can be grown."""
    made = document(described())
    schemas = made["components"]["schemas"]
    found: dict[tuple[str, Field], None] = {}
    for path, good in NEEDED.items():
        content = made["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        for way in (*fields(content["schema"], schemas, good), ("x-unknown",)):
            found[path, way] = None
    return found


@cache
def grown_value(name: str) -> str:
    """Return what grows a body, which many places are given."""
    return GROWN[name](SIZE)


def body(path: str, way: Field, value: str) -> bytes:
    """Return a body that is good but for `value` at one place."""
    whole = copy.deepcopy(NEEDED[path])
    if isinstance(way[0], str) and way[0] in TEMPLATES:
        whole[way[0]] = copy.deepcopy(TEMPLATES[way[0]])
    place: Any = whole
    for step, further in pairwise(way):
        inner = place[step] if isinstance(step, int) else place.get(step)
        if not isinstance(inner, list if isinstance(further, int) else dict):
            inner = [HOLE] if isinstance(further, int) else {}
            place[step] = inner
        place = inner
    place[way[-1]] = HOLE
    before, behind = json.dumps(whole).split(f'"{HOLE}"')
    return (before + value + behind).encode("utf-8")


class Server:
    """The application in a process of its own, and what it took."""

    def __init__(self, pid: int, port: int) -> None:
        self._folder = Path(f"/proc/{pid}")
        self._process = psutil.Process(pid)
        self.url = f"http://127.0.0.1:{port}"
        self.slowest = self.longest = 0.0

    def forget_peak(self) -> None:
        """Have the peak of the memory begin anew."""
        (self._folder / "clear_refs").write_text("5")

    def holds(self) -> int:
        """Return the bytes that the process has in memory."""
        return int(self._process.memory_info().rss)

    def peak(self) -> int:
        """Return the most bytes that the process had in memory."""
        lines = (self._folder / "status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

    async def watch(self) -> None:
        """Ask again and again whether the process lives, and note the longest time it worked before it said so.

        Seconds of its processor count, since they do not tell how busy the machine is with other things; those of
        the clock are only noted.
        """
        async with aiohttp.ClientSession(self.url) as http:
            while True:
                begun, clock = self._worked(), time.monotonic()
                async with http.get("/healthz") as response:
                    assert response.status == 200
                self.slowest = max(self.slowest, self._worked() - begun)
                self.longest = max(self.longest, time.monotonic() - clock)
                await asyncio.sleep(0.1)  # a tenth of what a body may take is not missed

    def _worked(self) -> float:
        spent = self._process.cpu_times()
        return float(spent.user + spent.system)


@asynccontextmanager
async def running(folder: Path, *more: str) -> AsyncIterator[Server]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.body_server", str(folder), *more), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield Server(process.pid, int(await process.stdout.readline()))
    finally:
        process.kill()
        await process.wait()


EVERYWHERE = ("one wide character", "words", "lists", "objects", "members")
"""What every place is given: the text that takes most memory, much text, and the values that become most objects."""
GONE_THROUGH = {"messages", "content", "tool_calls", "function_call", "prompt", "parameters", "schema", "x-unknown"}
"""Fields whose inside is read by this code; all others are measured, and then refused or passed by."""


def cases() -> list[tuple[tuple[str, Field], str]]:
    """Return places with values: all for what is gone through, others in turn; in short an eleventh of them."""
    others = [name for name in GROWN if name not in EVERYWHERE]
    found: list[tuple[tuple[str, Field], str]] = []
    for number, (path, way) in enumerate(places()):
        found += [((path, way), name) for name in EVERYWHERE]
        further = others if way[-1] in GONE_THROUGH else [others[number % len(others)]]
        found += [((path, way), name) for name in further]
    return found[:: 1 if FULL else 11]


NO_PICTURE = "The model generated no picture"
"""What a client is told that asks a model of texts for one."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one body took: bytes of memory at its peak, and seconds of work for which somebody else had to wait."""

    where: str
    sent: int
    memory: int
    wait: float
    answer: str

    @property
    def is_too_much(self) -> bool:
        """Tell whether it is more than a body may take."""
        return self.memory > 4 * self.sent + ROOM or self.wait > 1


async def grow(server: Server, http: aiohttp.ClientSession, path: str, way: Field, name: str) -> Taken:
    """Send one grown body, which must get an answer or a clear error."""
    sent, where = body(path, way, grown_value(name)), f"{path} {'.'.join(map(str, way))}: {name}"
    await asyncio.sleep(0.1 if FULL else 0)  # whoever waited meanwhile waited for us
    server.forget_peak()
    server.slowest = 0.0
    async with http.post(path, data=BytesIO(sent), headers=HEADERS) as response:
        answer = await response.text()
    assert response.status < 500 or NO_PICTURE in answer, (where, answer[:300])
    assert response.status == 200 or json.loads(answer)["error"]["message"], where
    assert len(answer) < 2000, where
    return Taken(where, len(sent), server.peak(), server.slowest, answer[:200])


@pytest.mark.browser
async def test_a_grown_body_takes_four_times_its_size_and_nobody_s_time(tmp_path: Path) -> None:
    async with running(tmp_path) as server, aiohttp.ClientSession(server.url) as http, asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(server.watch())
        taken = [await grow(server, http, path, way, name) for (path, way), name in cases()]
        watching.cancel()
    if FULL:
        memory, wait = max(taken, key=lambda one: one.memory), max(taken, key=lambda one: one.wait)
        most = 4 * memory.sent + ROOM
        print(f"\n{len(taken)} bodies of {SIZE} bytes; most memory: {memory.memory} of {most} bytes ({memory.where});")
        print(f"most work before /healthz was answered: {wait.wait:.2f} s ({wait.where});")
        print(f"longest wait for /healthz: {server.longest:.2f} s by the clock")
    assert not [one for one in taken if one.is_too_much]


@pytest.mark.browser
async def test_large_bodies_leave_nothing_behind(tmp_path: Path) -> None:
    size = 32 * MEBIBYTE - 4096
    async with running(tmp_path) as server, aiohttp.ClientSession(server.url) as http:
        before = 0
        for name in ("words", "members", "one wide character", "blank lines"):
            sent = body("/v1/chat/completions", ("messages",), GROWN[name](size))
            async with http.post("/v1/chat/completions", data=BytesIO(sent), headers=HEADERS) as response:
                assert response.status in (400, 413)
            before = before or server.holds()
        await until(lambda: server.holds() <= before + 16 * MEBIBYTE)


@pytest.mark.browser
@pytest.mark.parametrize("cases", [((10_000_000, 3), (2_800_000, 3)), *stress((((5_900_000, 1),),))])
async def test_text_that_may_go_as_a_file_takes_no_more(tmp_path: Path, cases: tuple[tuple[int, int], ...]) -> None:
    async with running(tmp_path, "attach") as server, aiohttp.ClientSession(server.url) as http:
        for length, count in cases:
            text = "a " * (length // 2) + "😀"
            messages = [{"role": role, "content": text} for role in ("user", "assistant", "user")[:count]]
            sent = json.dumps({"model": "deepseek", "messages": messages}, ensure_ascii=False).encode()
            server.forget_peak()
            async with http.post("/v1/chat/completions", data=BytesIO(sent), headers=HEADERS) as response:
                answer = await response.text()
            assert (response.status == 200) == (length * count < LONGEST_ATTACHED), answer
            assert server.peak() <= 4 * len(sent) + ROOM


# What can never be sent


def too_much(text: str) -> list[dict[str, Any]]:
    call = {"id": "c", "function": {"name": "f", "arguments": text}}
    return [
        {"model": "deepseek", "messages": [{"role": "tool", "content": text}]},
        {"model": "deepseek", "messages": [{"role": "user", "content": ["a", {"type": "text", "text": text}]}]},
        {"model": "deepseek", "messages": [{"role": "assistant", "content": "a", "tool_calls": [call]}]},
        {"model": "deepseek", "messages": [{"role": "assistant", "content": {"a": text}, "function_call": call}]},
        {"model": "deepseek", "prompt": text},
    ]


@pytest.mark.parametrize("kind", range(5))
def test_text_that_can_never_be_sent_is_refused_before_it_is_copied(kind: int) -> None:
    (most,) = {model.longest for model in models_of(DRIVER, FileSettings())}
    assert most is not None
    asked = too_much("a" * most + "😀")[kind]
    surface = OpenAICompletions() if "prompt" in asked else OpenAIChat()
    tracemalloc.start()
    with pytest.raises(ContextTooLong, match="shorten"):
        surface.parse(ApiCall(asked, "id", lambda name: resolve(name, models_of(DRIVER, FileSettings()))))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MEBIBYTE


def test_text_that_is_attached_may_be_as_long_as_files_and_as_any_model_reads() -> None:
    settings = FileSettings(long_prompts="attach")
    assert {model.longest for model in models_of(DRIVER, settings)} == {LONGEST_ATTACHED + LONGEST}
    small = FileSettings(long_prompts="attach", max_prompt_bytes=3_000_000)
    assert {model.longest for model in models_of(DRIVER, small)} == {3_000_000 + LONGEST}


def test_an_error_about_a_body_holds_nothing_of_it() -> None:
    body = BytesIO(json.dumps(["x" * (8 * MEBIBYTE)]).encode())
    tracemalloc.start()
    with pytest.raises(RequestError) as caught:
        parse_body(body, refuse)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < MEBIBYTE
    assert "no list" in caught.value.message


def refuse(value: object) -> None:
    """Find something wrong with a body, as validation does, whose error has all of it."""
    try:
        TypeAdapter(int).validate_python(value)
    except ValidationError as error:
        raise RequestError("It is no list of numbers.") from error


# What counts as much


@pytest.mark.parametrize(
    "text",
    [
        "[" + "[]," * MOST_VALUES + "1]",
        '{"a":[' + '"b",' * MOST_VALUES + "1]}",
        "[" + "1 ,\n" * (MOST_VALUES + 1) + "1]",
    ],
)
def test_a_document_of_too_many_values_is_refused_before_one_is_made(text: str) -> None:
    with pytest.raises(BodyTooLarge, match="fewer list entries") as caught:
        decode_json(BytesIO(text.encode()))
    assert caught.value.status == 413


@pytest.mark.parametrize("unit", [",", "[{:", '\\"', "\\\\", '\\\\\\",', "\\n,", "中,"])
@pytest.mark.parametrize("shift", range(3))
def test_marks_inside_of_text_do_not_count(unit: str, shift: int) -> None:
    text = "x" * shift + unit * (2 * MOST_VALUES)
    assert decode_json(BytesIO(f'["{text}", 1]'.encode())) == json.loads(f'["{text}", 1]')


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('"\\ud83d"', "\ufffd"),
        ('"\\ude00\\ud83d\\ud83d\\ude00"', "\ufffd\ufffd😀"),
        ('"\\\\ud83d \\\\\\ud83d"', "\\ud83d \\\ufffd"),
        ('\ufeff{"a": 1.0}', {"a": 1.0}),
    ],
)
def test_half_a_surrogate_pair_becomes_a_mark_of_its_own(text: str, read: object) -> None:
    assert decode_json(BytesIO(text.encode())) == read


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 300 + b"]" * 300, b'"\xff"', b'"\\u12"', b"1" * 5000, b'"\\ud83d'])
def test_what_is_no_json_is_said_to_be_none(text: bytes) -> None:
    with pytest.raises(RequestError, match="not JSON"):
        decode_json(BytesIO(text))


async def test_who_only_brings_a_token_may_send_little() -> None:
    token, few = "t" * 40, Settings().tokens.max_body
    async with serving(tokens=True) as served:
        assert (await _sent(served, token, few - 200)) == 200
        assert (await _sent(served, token, few + 1)) == 413
        assert (await _sent(served, None, few + 1)) == 200


async def _sent(served: Served, token: str | None, size: int) -> int:
    data = json.dumps({"model": "deepseek", "messages": [{"role": "user", "content": "x" * size}]}).encode()
    headers = HEADERS | ({"authorization": f"Bearer {token}"} if token else {})
    async with served.http.post("/v1/chat/completions", data=BytesIO(data), headers=headers) as response:
        answer = await response.text()
    assert response.status == 200 or "tokens.max_body" in answer
    return response.status


def test_the_room_for_tokens_is_less_than_that_for_keys() -> None:
    assert TokenSettings().max_body < Settings().server.max_body
    assert LIMIT
