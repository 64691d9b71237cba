"""Every answer and event has the form that the types of Anthropic's own SDK have, strictly and without a field more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from bridge.chat.types import Finish, Opened, Text, Withdrawn
from bridge.errors import BridgeError, PoolFull, SiteBusy, SiteTimeout
from bridge.settings import ApiSettings
from tests.api.anthropic.asking import PATH, VERSION, body, streamed, whole
from tests.api.anthropic.random_answers import OPTIONS, SAID, THOUGHT, TWO_CUTS, script
from tests.clients.sdk_types import Types, types_of
from tests.support.fake_backend import Served, serving

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
async def types() -> AsyncIterator[Types]:
    async with types_of("anthropic_types") as running:
        yield running


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Served]:
    async with serving(api=ApiSettings(hold_text=20)) as running:
        yield running


async def check_both(types: Types, served: Served, **more: Any) -> None:
    await types.check("message", await whole(served, **more))
    for event in await streamed(served, **more):
        if event["type"] != "ping":
            await types.check("event", event)


@settings(suppress_health_check=list(HealthCheck))
@given(thought=THOUGHT, said=SAID.map("".join), cuts=TWO_CUTS, options=OPTIONS)
async def test_random_answers(
    types: Types, served: Served, thought: str, said: str, cuts: tuple[list[int], list[int]], options: dict[str, Any]
) -> None:
    served.backend.script = script(thought, f"{said}.", cuts[0])
    await check_both(types, served, **options)


async def test_answers_that_end_for_another_reason(types: Types, served: Served) -> None:
    served.backend.script = (Opened(), Text("Well"), Withdrawn("No."), Finish("content_filter"))
    await check_both(types, served)
    served.backend.script = (Opened(), Text("cut"), Finish("length"))
    await check_both(types, served)
    await types.check("message", await whole(served, max_tokens=0))


@pytest.mark.parametrize("raised", [PoolFull("x"), SiteBusy("x"), SiteTimeout("x"), ValueError()], ids=repr)
async def test_errors(types: Types, served: Served, raised: BridgeError) -> None:
    served.backend.script = (raised,)
    async with served.http.post(PATH, json=body()) as response:
        await types.check("error", await response.json())
    served.backend.script = (Opened(), Text("Well"), raised)
    *_, last = await streamed(served)
    await types.check("error", last)


@pytest.mark.parametrize(
    ("method", "path", "given"),
    [
        ("POST", PATH, {}),
        ("POST", PATH, body(thread={"type": "create"})),
        ("POST", PATH, body(model="gpt-4o")),
        ("GET", PATH, None),
        ("POST", f"{PATH}/batches", {}),
    ],
)
async def test_refusals(types: Types, served: Served, method: str, path: str, given: Any) -> None:
    async with served.http.request(method, path, json=given) as response:
        assert response.status >= 400
        await types.check("error", await response.json())


async def test_a_wrong_key(types: Types, served: Served) -> None:
    async with served.http.post(PATH, json=body(), headers={"authorization": "", "x-api-key": "wrong"}) as response:
        assert response.status == 401
        await types.check("error", await response.json())


async def test_models_and_counts(types: Types, served: Served) -> None:
    async with served.http.get("/v1/models", headers=VERSION) as response:
        for model in (await response.json())["data"]:
            await types.check("model", model)
    async with served.http.post(f"{PATH}/count_tokens", json=body()) as response:
        await types.check("count", await response.json())
