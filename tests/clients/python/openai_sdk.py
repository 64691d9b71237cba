"""The OpenAI SDK for Python."""

from __future__ import annotations

import json
from typing import Any

from openai import OpenAI, pydantic_function_tool
from pydantic import BaseModel, Field

from tests.clients.python.task import KEY, MODEL, QUESTION, URL, WISH, Person, report, weather

completions = OpenAI(base_url=URL, api_key=KEY, max_retries=0).chat.completions


class Weather(BaseModel):
    """Tell how warm it is in a city."""

    city: str = Field(description="its name")


TOOL = pydantic_function_tool(Weather, name="weather")


def chat() -> str | None:
    answer = completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
    return answer.choices[0].message.content


def stream() -> list[str]:
    chunks = completions.create(model=MODEL, messages=[{"role": "user", "content": "Count"}], stream=True)
    return [text for chunk in chunks if (text := chunk.choices[0].delta.content)]


def tools(turn: Any) -> str:
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    while (message := turn(messages)).tool_calls:
        messages.append(message)
        for call in message.tool_calls:
            content = weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": content})
    return str(message.content)


def whole(messages: Any) -> Any:
    return completions.create(model=MODEL, messages=messages, tools=[TOOL]).choices[0].message


def streamed(messages: Any) -> Any:
    with completions.stream(model=MODEL, messages=messages, tools=[TOOL]) as chunks:
        return chunks.get_final_completion().choices[0].message


def structured() -> object:
    answer = completions.parse(model=MODEL, messages=[{"role": "user", "content": WISH}], response_format=Person)
    person = answer.choices[0].message.parsed
    return person and person.model_dump()


if __name__ == "__main__":
    report(
        chat=chat,
        stream=stream,
        tools=lambda: tools(whole),
        streamed_tools=lambda: tools(streamed),
        structured=structured,
    )
