"""What Ollama's clients ask before they chat: which models there are, what they can do, which version this is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest

from bridge.settings import ApiSettings
from tests.support.fake_backend import Served, serving


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Served]:
    async with serving(api=ApiSettings(aliases={"llama3": "bounded"})) as running:
        yield running


async def get(served: Served, path: str) -> Any:
    async with served.http.get(path) as response:
        assert response.status == 200
        return await response.json()


async def test_the_tags_are_the_models_and_the_operator_s_names(served: Served) -> None:
    models = (await get(served, "/api/tags"))["models"]
    names = [model["name"] for model in models]
    assert names[:3] == ["deepseek", "deepseek-chat", "deepseek-reasoner"]
    assert names[-1] == "llama3"
    for model in models:
        assert model["model"] == model["name"]
        assert len(model["digest"]) == 64
        assert datetime.fromisoformat(model["modified_at"]).tzinfo is not None
        assert model["details"]["families"] == ["bridge"]


async def test_all_models_are_loaded_for_a_long_time(served: Served) -> None:
    models = {model["name"]: model for model in (await get(served, "/api/ps"))["models"]}
    assert models["bounded"]["context_length"] == 1000
    assert datetime.fromisoformat(models["deepseek"]["expires_at"]).timestamp() > datetime.now().timestamp()


@pytest.mark.parametrize(
    "body", [{"model": "llama3:latest"}, {"name": "bounded"}, {"model": "bounded", "verbose": True}]
)
async def test_a_model_tells_what_it_can_do(served: Served, body: dict[str, Any]) -> None:
    async with served.http.post("/api/show", json=body) as response:
        shown = await response.json()
    assert shown["capabilities"] == ["completion", "tools", "thinking"]
    info = shown["model_info"]
    assert info[f"{info['general.architecture']}.context_length"] == 1000


@pytest.mark.parametrize(("body", "status"), [({"model": "gpt-oss"}, 404), ({}, 400), ({"model": 7}, 400)])
async def test_a_model_that_is_not_there_is_an_error(served: Served, body: dict[str, Any], status: int) -> None:
    async with served.http.post("/api/show", json=body) as response:
        answer = await response.json()
    assert (response.status, [*answer]) == (status, ["error"])


@pytest.mark.parametrize("stream", [{}, {"stream": False}])
async def test_a_model_that_is_there_is_pulled_at_once_and_no_other(served: Served, stream: dict[str, Any]) -> None:
    """Clients pull before they chat: what is there already needs nothing."""
    async with served.http.post("/api/pull", json={"name": "deepseek:latest", **stream}) as response:
        assert (response.status, await response.json(content_type=None)) == (200, {"status": "success"})
    async with served.http.post("/api/pull", json={"model": "llama3.2", **stream}) as response:
        answer = await response.json()
    assert response.status == 404
    assert "Models here: deepseek" in answer["error"]


async def test_the_version_is_one_that_editors_take(served: Served) -> None:
    version = (await get(served, "/api/version"))["version"]
    assert tuple(map(int, version.split("."))) >= (0, 6, 4)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/push"),
        ("POST", "/api/create"),
        ("POST", "/api/copy"),
        ("DELETE", "/api/delete"),
        ("POST", "/api/embed"),
        ("POST", "/api/embeddings"),
    ],
)
async def test_what_cannot_be_done_says_so(served: Served, method: str, path: str) -> None:
    async with served.http.request(method, path, json={"model": "deepseek", "input": "x"}) as response:
        answer = await response.json()
    assert (response.status, [*answer]) == (400, ["error"])
    assert answer["error"].startswith(("The models here are", "Embeddings are not available"))


async def test_every_path_asks_for_a_key(served: Served) -> None:
    for path in ("/api/tags", "/api/ps", "/api/version"):
        async with served.http.get(path, headers={"authorization": "none"}) as response:
            assert (response.status, [*await response.json()]) == (401, ["error"])
