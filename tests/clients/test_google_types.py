"""Every answer and piece has the form that the types of Google's own SDK have, strictly and without a field more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.chat.types import Finish, Opened, Text, Thinking, Withdrawn
from tests.api.gemini.test_gemini_chat import BODIES, FOUND, HI, WORDS, path, streamed, whole
from tests.clients.sdk_types import Types, types_of
from tests.support.fake_backend import Served, serving

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
async def types() -> AsyncIterator[Types]:
    async with types_of("google_types") as running:
        yield running


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Served]:
    async with serving() as running:
        yield running


async def check_both(types: Types, served: Served, *, sse: bool = True, **body: Any) -> None:
    for answer in (await whole(served, **body), *await streamed(served, sse=sse, **body)):
        await types.check("answer", answer)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(words=st.lists(WORDS, max_size=6), body=BODIES, size=st.integers(1, 30))
async def test_random_answers(types: Types, served: Served, words: list[str], body: dict[str, Any], size: int) -> None:
    said = "".join(("So: ", *words))
    cut = [Text(said[place : place + size]) for place in range(0, len(said), size)]
    served.backend.script = (Opened(), Thinking("Hm."), FOUND, *cut, Finish())
    await check_both(types, served, **body)


async def test_answers_that_end_for_another_reason(types: Types, served: Served) -> None:
    for end in ((Withdrawn("No."), Finish("content_filter")), (Finish("length"),)):
        served.backend.script = (Opened(), Text("Well"), *end)
        await check_both(types, served)
    served.backend.script = (Opened(), Finish("content_filter"))
    await check_both(types, served, generationConfig={"candidateCount": 2})


async def test_counts_and_models(types: Types, served: Served) -> None:
    async with served.http.post(path("countTokens"), json={"contents": HI}) as response:
        await types.check("count", await response.json())
    async with served.http.get("/v1beta/models") as response:
        for model in (await response.json())["models"]:
            await types.check("model", model)
