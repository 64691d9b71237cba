"""pydantic-ai, which takes the first text of a stream for the final answer."""

from __future__ import annotations

from typing import Any

from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.clients.python.task import KEY, MODEL, QUESTION, URL, WISH, Person, report, weather

model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=URL, api_key=KEY))
plain = Agent(model)
able = Agent(model, tools=[weather])
typed = Agent(model, output_type=NativeOutput(Person))


def streamed(agent: Any, prompt: str) -> list[str]:
    return list(agent.run_stream_sync(prompt).stream_text(delta=True, debounce_by=None))


if __name__ == "__main__":
    report(
        chat=lambda: plain.run_sync("Hello").output,
        stream=lambda: streamed(plain, "Count"),
        tools=lambda: able.run_sync(QUESTION).output,
        streamed_tools=lambda: "".join(streamed(able, QUESTION)),
        structured=lambda: typed.run_sync(WISH).output.model_dump(),
    )
