"""OpenAI's Agents SDK, which speaks the Responses API."""

from __future__ import annotations

import asyncio
from typing import Any

from agents import Agent, Runner, function_tool, set_tracing_disabled
from agents.models.openai_responses import OpenAIResponsesModel
from openai import AsyncOpenAI
from openai.types.responses import ResponseTextDeltaEvent

from tests.clients.python.task import KEY, MODEL, QUESTION, URL, WISH, Person, report, weather

set_tracing_disabled(True)


def agent(**more: Any) -> Agent:
    client = AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0)
    return Agent(name="bridge", model=OpenAIResponsesModel(MODEL, client), **more)


def able() -> Agent:
    return agent(tools=[function_tool(weather)])


def run(which: Agent, prompt: str) -> Any:
    return asyncio.run(Runner.run(which, prompt)).final_output


async def pieces(which: Agent, prompt: str) -> list[str]:
    events = Runner.run_streamed(which, prompt).stream_events()
    raw = [event.data async for event in events if event.type == "raw_response_event"]
    return [event.delta for event in raw if isinstance(event, ResponseTextDeltaEvent)]


async def streamed(which: Agent, prompt: str) -> Any:
    result = Runner.run_streamed(which, prompt)
    async for _ in result.stream_events():
        pass
    return result.final_output


if __name__ == "__main__":
    report(
        chat=lambda: run(agent(), "Hello"),
        stream=lambda: asyncio.run(pieces(agent(), "Count")),
        tools=lambda: run(able(), QUESTION),
        streamed_tools=lambda: asyncio.run(streamed(able(), QUESTION)),
        structured=lambda: run(agent(output_type=Person), WISH).model_dump(),
    )
