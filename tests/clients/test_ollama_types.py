"""Every answer and line has the form that the types of Ollama's own SDK have, strictly and without a field more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.chat.types import Finish, Opened, Text, Thinking, Withdrawn
from tests.api.ollama.test_ollama_chat import BODIES, CHAT, GENERATE, WORDS, lines, whole
from tests.clients.sdk_types import Types, types_of
from tests.support.fake_backend import Served, serving

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
async def types() -> AsyncIterator[Types]:
    async with types_of("ollama_types") as running:
        yield running


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Served]:
    async with serving() as running:
        yield running


async def check_all(types: Types, served: Served, **body: Any) -> None:
    for kind, path in (("chat", CHAT), ("generate", GENERATE)):
        given = {name: value for name, value in body.items() if kind == "chat" or name != "tools"}
        for piece in (await whole(served, path, **given), *await lines(served, path, **given)):
            await types.check(kind, piece)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(words=st.lists(WORDS, max_size=6), body=BODIES, size=st.integers(1, 30))
async def test_random_answers(types: Types, served: Served, words: list[str], body: dict[str, Any], size: int) -> None:
    said = "".join(("So: ", *words))
    cut = [Text(said[place : place + size]) for place in range(0, len(said), size)]
    served.backend.script = (Opened(), Thinking("Hm."), *cut, Finish())
    await check_all(types, served, **body)


async def test_answers_that_end_for_another_reason(types: Types, served: Served) -> None:
    for end in ((Withdrawn("No."), Finish("content_filter")), (Finish("length"),)):
        served.backend.script = (Opened(), Text("Well"), *end)
        await check_all(types, served)
    await types.check("chat", await whole(served, messages=[]))
    await types.check("generate", await whole(served, GENERATE, prompt=""))


async def test_what_is_told_of_models(types: Types, served: Served) -> None:
    for kind in ("tags", "ps"):
        async with served.http.get(f"/api/{kind}") as response:
            await types.check(kind, await response.json())
    async with served.http.post("/api/show", json={"model": "bounded"}) as response:
        await types.check("show", await response.json())
