"""Pictures are given as links, and a model that has made none is told with its words."""

from __future__ import annotations

import openai
import pytest

from bridge.chat.types import ChatEvent, Finish, Opened, Text, Thinking
from tests.support.fake_backend import Served

LINKS = ["https://p.test/1.png?sign=x%281%29", "https://p.test/2.png"]
MADE: tuple[ChatEvent, ...] = (
    Opened("c", "2"),
    Thinking("Hm."),
    *(Text(f"![]({link})\n\n") for link in LINKS),
    Finish(),
)


async def test_pictures_are_given_as_links_to_the_sdk(served: Served) -> None:
    served.backend.script = MADE
    made = await served.openai.images.generate(model="deepseek", prompt="A cat in the rain", size="1024x1024")
    assert [one.url for one in made.data or ()] == LINKS
    assert served.backend.requests[-1].messages[-1].text == "A cat in the rain"


async def test_what_has_no_effect_is_named(served: Served) -> None:
    served.backend.script = MADE
    body = {"model": "deepseek", "prompt": "A cat", "n": 2, "quality": "hd"}
    async with served.http.post("/v1/images/generations", json=body) as response:
        assert response.headers["x-bridge-ignored"] == "quality, n"


async def test_a_model_that_has_made_no_picture_is_told_with_its_words(served: Served) -> None:
    served.backend.script = (Opened(), Text("I cannot\ndraw."), Finish())
    with pytest.raises(openai.APIStatusError, match=r"generated no picture and says: I cannot\\ndraw\.") as failed:
        await served.openai.with_options(max_retries=0).images.generate(model="deepseek", prompt="A cat")
    assert failed.value.status_code == 502


@pytest.mark.parametrize(
    ("field", "value"), [("prompt", " "), ("response_format", "b64_json"), ("stream", True), ("n", 0), ("model", "")]
)
async def test_what_cannot_be_done_is_refused_by_name(served: Served, field: str, value: object) -> None:
    body = {"model": "deepseek", "prompt": "A cat", field: value}
    async with served.http.post("/v1/images/generations", json=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]["param"] == field
