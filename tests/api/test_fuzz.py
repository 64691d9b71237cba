"""Whatever a request holds, there is an answer, or an error in OpenAI's shape that names its field.

`FUZZ=5000 pytest -s tests/api/test_fuzz.py` makes that many bad requests and says how they were refused.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from yarl import URL

from bridge.api.openapi import document
from bridge.chat.types import Finish, Opened, Text
from tests.api.test_api_schema import CALL
from tests.support.described import described
from tests.support.fake_backend import Served, serving

if TYPE_CHECKING:
    from schemathesis import Case
    from schemathesis.schemas import BaseSchema

CHAT, COMPLETIONS, CHECK = "/v1/chat/completions", "/v1/completions", "/token/check"
PARTS = 7
WANTED = -(-int(os.environ.get("FUZZ", "300")) // PARTS)
"""How many bad requests each of the tests makes."""
JSON = {"content-type": "application/json"}
OURS = ("authorization", "host", "content-length", "content-encoding", "transfer-encoding", "origin", "connection")
"""Headers that are not at stake here."""

pytestmark = pytest.mark.timeout(max(300, WANTED))
fuzz = settings(max_examples=WANTED, deadline=None, database=None, suppress_health_check=list(HealthCheck))
TABLE = described()


@cache
def documented() -> BaseSchema:
    """Return the description of the endpoint; imported here, because each process waits for what stands at the top."""
    import schemathesis

    return schemathesis.openapi.from_dict(document(TABLE))


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Served]:
    async with serving(tokens=True) as running:
        yield running


# What requests hold

SCALARS = st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PARTS_OF_TEXT = st.fixed_dictionaries({"type": st.just("text"), "text": st.text()})
CONTENT = st.text(max_size=20) | st.lists(PARTS_OF_TEXT, max_size=2) | st.lists(PARTS_OF_TEXT | VALUES, max_size=2)
CALLS = st.lists(
    st.fixed_dictionaries({"id": VALUES, "function": st.fixed_dictionaries({"name": VALUES, "arguments": VALUES})}),
    max_size=2,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["system", "user", "user", "assistant", "tool", "function", "developer", "robot"]),
            "content": CONTENT,
        },
        optional={"tool_calls": CALLS | VALUES, "tool_call_id": VALUES, "name": VALUES},
    ),
    max_size=4,
)
KINDS = st.sampled_from(["object", "string", "array", "thing", 7])
SCHEMAS = st.fixed_dictionaries(
    {"type": KINDS}, optional={"properties": VALUES, "required": VALUES, "items": VALUES, "$ref": VALUES}
)
FUNCTIONS = st.fixed_dictionaries(
    {"name": st.sampled_from(["f", "g", "a b", ""]) | VALUES},
    optional={"parameters": SCHEMAS | VALUES, "description": VALUES},
)
OFFERS = st.lists(
    st.fixed_dictionaries({"type": st.sampled_from(["function", "custom"]), "function": FUNCTIONS}), max_size=2
)
CHOICES = st.sampled_from(["auto", "none", "required", {"type": "function", "function": {"name": "f"}}]) | (
    st.fixed_dictionaries({"type": st.just("allowed_tools"), "tools": OFFERS}, optional={"mode": VALUES})
)
FORMATS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "json_object", "json_schema"])},
    optional={"json_schema": st.fixed_dictionaries({"schema": SCHEMAS}) | VALUES},
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "stream": st.booleans(),
    "stream_options": st.fixed_dictionaries({"include_usage": st.booleans()}),
    "tools": OFFERS,
    "functions": st.lists(FUNCTIONS, max_size=2),
    "tool_choice": CHOICES,
    "function_call": CHOICES,
    "parallel_tool_calls": st.booleans(),
    "response_format": FORMATS,
    "stop": st.text(max_size=3) | st.lists(st.text(max_size=3), max_size=5),
    "max_tokens": st.integers(-1, 10),
    "max_completion_tokens": st.integers(-1, 10),
    "n": st.integers(-1, 6),
    "reasoning_effort": st.sampled_from(["low", "none", ""]),
    "thinking": st.booleans() | st.fixed_dictionaries({"type": st.text(max_size=9)}),
    "enable_thinking": st.booleans(),
    "web_search_options": st.dictionaries(st.text(max_size=5), VALUES, max_size=2),
    "conversation_id": st.text(max_size=5),
    "logprobs": st.booleans(),
    "top_logprobs": st.integers(0, 3),
    "temperature": VALUES,
    "x-unknown": VALUES,
}


def mostly(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy of `values`, and now and then of anything else."""
    return st.sampled_from([True] * 19 + [False]).flatmap(lambda fine: values if fine else VALUES)


def bodies(**needed: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy of bodies in which most fields are fine."""
    return st.fixed_dictionaries(
        {"model": mostly(st.just("deepseek")), **{name: mostly(values) for name, values in needed.items()}},
        optional={name: mostly(values) for name, values in FIELDS.items()},
    )


HEARD = st.lists(
    st.sampled_from(["Hello", CALL, '{"a": 1}', "```json\n{}\n```", "<tool_call>", "[citation:1]"]),
    min_size=1,
    max_size=3,
)
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"])
PATHS = st.sampled_from([CHAT, COMPLETIONS, "/v1/models", "/v1/", "/", "/v1/models/x/", "//v1/models", "/v1/%00"])
TYPES = st.sampled_from(["application/json", "text/plain", "", "application/json; charset=utf-7", "multipart/x"])


def wrong(path: str, method: str) -> st.SearchStrategy[Case[Any]]:
    """Return a strategy of requests that the description of the endpoint does not allow."""

    def strategy() -> st.SearchStrategy[Case[Any]]:
        from schemathesis import GenerationMode

        return documented()[path][method].as_strategy(generation_mode=GenerationMode.NEGATIVE)

    return st.deferred(strategy)


# What becomes of them


async def refused(response: aiohttp.ClientResponse, outcomes: Counter[str]) -> dict[str, Any]:
    """Return the error of a bad request; one that is none does not count as an example."""
    raw = await response.text()
    if response.status < 400 or (response.status == 502 and "json_invalid" in raw):
        reject()
    assert response.status < 500, raw
    error: dict[str, Any] = json.loads(raw)["error"] if response.method != "HEAD" else {}
    if error:
        assert error.keys() == {"message", "type", "param", "code"}
        assert error["message"]
    outcomes[f"{response.status} {error.get('code')}"] += 1
    return error


def check_field(error: dict[str, Any], body: object, path: str) -> None:
    """Check that the error of a body names a field that is there, or that is missing."""
    if not isinstance(body, dict):
        return
    model = next(one.body for one in TABLE if (one.method, one.path) == ("POST", path))
    assert model is not None
    needed = {name for name, field in model.model_fields.items() if field.is_required()}
    assert error["param"], error
    assert error["param"].replace("[", ".").split(".")[0] in needed | body.keys(), error


async def post_described(served: Served, path: str, case: Case[Any], outcomes: Counter[str]) -> None:
    given = case.as_transport_kwargs(base_url="")
    data = given.get("data") or json.dumps(given.get("json"))
    headers = {name: value for name, value in given["headers"].items() if name.lower() not in OURS}
    async with served.http.post(path, data=data, params=given["params"], headers={**headers, **JSON}) as response:
        check_field(await refused(response, outcomes), given.get("json"), path)


async def post(served: Served, path: str, body: dict[str, Any], heard: list[str], outcomes: Counter[str]) -> None:
    served.backend.script = (Opened(), *map(Text, heard), Finish())
    async with served.http.post(path, data=json.dumps(body), headers=JSON) as response:
        if response.content_type == "text/event-stream":
            raw = await response.text()
            assert raw.endswith("data: [DONE]\n\n") or '"json_invalid"' in raw
            reject()
        check_field(await refused(response, outcomes), body, path)


@fuzz
@given(case=wrong(CHAT, "POST"))
async def test_a_chat_that_the_description_does_not_allow(
    served: Served, outcomes: Counter[str], case: Case[Any]
) -> None:
    await post_described(served, CHAT, case, outcomes)


@fuzz
@given(case=wrong(COMPLETIONS, "POST"))
async def test_a_completion_that_the_description_does_not_allow(
    served: Served, outcomes: Counter[str], case: Case[Any]
) -> None:
    await post_described(served, COMPLETIONS, case, outcomes)


@fuzz
@given(case=wrong(CHECK, "POST"))
async def test_a_check_that_the_description_does_not_allow(
    served: Served, outcomes: Counter[str], case: Case[Any]
) -> None:
    await post_described(served, CHECK, case, outcomes)


@fuzz
@given(body=bodies(messages=MESSAGES), heard=HEARD)
async def test_a_chat_that_is_nearly_fine(
    served: Served, outcomes: Counter[str], body: dict[str, Any], heard: list[str]
) -> None:
    await post(served, CHAT, body, heard, outcomes)


@fuzz
@given(body=bodies(prompt=st.text(max_size=9) | st.lists(st.text(max_size=9), max_size=2)), heard=HEARD)
async def test_a_completion_that_is_nearly_fine(
    served: Served, outcomes: Counter[str], body: dict[str, Any], heard: list[str]
) -> None:
    await post(served, COMPLETIONS, body, heard, outcomes)


@fuzz
@given(path=st.sampled_from([CHAT, COMPLETIONS]), body=VALUES.map(json.dumps).map(str.encode) | st.binary(max_size=99))
async def test_a_body_that_is_none(served: Served, outcomes: Counter[str], path: str, body: bytes) -> None:
    async with served.http.post(path, data=body, headers=JSON) as response:
        error = await refused(response, outcomes)
        with suppress(ValueError):
            check_field(error, json.loads(body), path)


@fuzz
@given(method=METHODS, path=PATHS | st.text(max_size=9).map("/v1/models/{}".format), kind=TYPES, body=st.binary())
async def test_a_request_that_is_none(
    served: Served, outcomes: Counter[str], method: str, path: str, kind: str, body: bytes
) -> None:
    url = URL(f"http://127.0.0.1:{served.port}") / path.lstrip("/")
    async with served.http.request(method, url, data=body, headers={"content-type": kind}) as response:
        await refused(response, outcomes)
