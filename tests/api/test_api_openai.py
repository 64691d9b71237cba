"""The real OpenAI SDK in front of the real server."""

from __future__ import annotations

import asyncio

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from bridge.chat.types import Finish, Opened, Searched, Source, Text, Thinking
from bridge.errors import BrowserError, ContextTooLong, PoolFull, SiteBusy
from tests.support.fake_backend import Served, soon

HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]


async def test_the_sdk_reads_a_whole_answer(served: Served) -> None:
    answer = await served.openai.chat.completions.create(model="DeepSeek-R1", messages=HI)
    message = answer.choices[0].message
    assert (answer.model, answer.object, answer.choices[0].finish_reason) == ("DeepSeek-R1", "chat.completion", "stop")
    assert (message.role, message.content, message.refusal) == ("assistant", "Hello", None)
    assert message.model_extra == {"reasoning_content": "Hm."}
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert served.backend.requests[0].model.thinking


async def test_the_sdk_s_stream_helper_puts_the_answer_together(served: Served) -> None:
    async with served.openai.chat.completions.stream(
        model="deepseek", messages=HI, stream_options={"include_usage": True}
    ) as stream:
        async for _ in stream:
            pass
        streamed = await stream.get_final_completion()
    whole = await served.openai.chat.completions.create(model="deepseek", messages=HI)
    assert streamed.choices[0].message.content == whole.choices[0].message.content == "Hello"
    assert streamed.choices[0].finish_reason == whole.choices[0].finish_reason
    assert streamed.usage == whole.usage


@pytest.mark.parametrize(
    "model",
    ["deepseek-search", "deepseek-r1-search-fold", "deepseek-think-search-silent", "deepseek-reasoner-search-silent"],
)
async def test_the_streamed_text_is_the_whole_text(served: Served, model: str) -> None:
    found = Searched(("q",), (Source(1, "https://a.example/", "A"),))
    pieces = (Thinking("Hm"), Thinking(" <det"), Text("See [cita"), Text("tion:1"), Text("]."))
    served.backend.script = (Opened(), found, *pieces, Finish())
    stream = await served.openai.chat.completions.create(model=model, messages=HI, stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    whole = await served.openai.chat.completions.create(model=model, messages=HI)
    assert text == whole.choices[0].message.content
    assert ("[[1]](https://a.example/)" in text) != model.endswith("silent")
    assert "citation" not in text


async def test_the_sdk_lists_models_and_finds_one(served: Served) -> None:
    models = [model async for model in served.openai.models.list()]
    assert [model.id for model in models[:3]] == ["deepseek", "deepseek-chat", "deepseek-reasoner"]
    assert all(model.object == "model" for model in models)
    assert (await served.openai.models.retrieve("deepseek-search-think")).id == "deepseek-search-think"


async def test_an_unknown_model_is_not_found(served: Served) -> None:
    for call in (
        served.openai.chat.completions.create(model="gpt-4o", messages=HI),
        served.openai.models.retrieve("gpt-4o"),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            await call
        assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
        assert "deepseek-reasoner" in caught.value.message


async def test_a_wrong_key_is_an_authentication_error(served: Served) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        await served.openai.with_options(api_key="sk-wrong").models.list()
    assert caught.value.code == "invalid_api_key"


async def test_a_bad_field_is_a_bad_request_that_names_it(served: Served) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await served.openai.chat.completions.create(model="deepseek", messages=HI, n=99)
    assert (caught.value.param, caught.value.code) == ("n", "invalid_request_error")
    served.backend.script = (ContextTooLong("Too long."),)
    with pytest.raises(openai.BadRequestError) as caught:
        await served.openai.chat.completions.create(model="deepseek", messages=HI)
    assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_full_queue_is_a_rate_limit(served: Served, stream: bool) -> None:
    served.backend.script = (PoolFull("The queue is full.", retry_after=1),)
    with pytest.raises(openai.RateLimitError, match="The queue is full"):
        await served.openai.chat.completions.create(model="deepseek", messages=HI, stream=stream)


async def test_a_failure_in_mid_stream_reaches_the_sdk_as_an_error(served: Served) -> None:
    served.backend.script = (Opened(), Text("Hel"), BrowserError("The page crashed.", sent=True))
    stream = await served.openai.chat.completions.create(model="deepseek", messages=HI, stream=True)
    chunks = aiter(stream)
    assert [(await anext(chunks)).choices[0].delta.content for _ in range(2)] == ["", "Hel"]
    with pytest.raises(openai.APIError, match="The page crashed"):
        await anext(chunks)


@pytest.mark.slow
async def test_the_sdk_resends_what_was_not_sent_and_nothing_else(served: Served) -> None:
    client = served.openai.with_options(max_retries=2)
    served.backend.script = (SiteBusy("Busy.", retry_after=1, sent=True),)
    with pytest.raises(openai.InternalServerError):
        await client.chat.completions.create(model="deepseek", messages=HI)
    assert len(served.backend.requests) == 1
    served.backend.script = (PoolFull("Full.", retry_after=1),)
    with pytest.raises(openai.RateLimitError):
        await client.with_options(max_retries=1).chat.completions.create(model="deepseek", messages=HI)
    assert len(served.backend.requests) == 3


async def test_an_sdk_client_that_stops_listening_ends_the_chat(served: Served) -> None:
    served.backend.script = (Opened(), Text("Hel"), asyncio.Event(), Finish())
    stream = await served.openai.chat.completions.create(model="deepseek", messages=HI, stream=True)
    await anext(aiter(stream))
    await stream.close()
    await soon(served.backend.closed)


async def test_a_history_with_tool_calls_is_taken(served: Served) -> None:
    history: list[ChatCompletionMessageParam] = [
        {"role": "developer", "content": [{"type": "text", "text": "Be terse."}]},
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "Rain"}]},
    ]
    answer = await served.openai.chat.completions.create(
        model="deepseek",
        messages=history,
        tools=[{"type": "function", "function": {"name": "weather"}}],
        tool_choice="auto",
        parallel_tool_calls=False,
        max_completion_tokens=100,
        store=False,
    )
    assert answer.choices[0].message.content == "Hello"
    roles = [message.role for message in served.backend.requests[0].messages]
    assert roles == ["system", "system", "user", "assistant", "tool"]
