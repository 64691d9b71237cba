"""The OpenAI SDK for Python over the Responses API: whole, streamed, and over a WebSocket."""

from __future__ import annotations

import json
from typing import Any

from openai import OpenAI

from tests.clients.python.task import KEY, MODEL, QUESTION, URL, WISH, Person, report, weather

responses = OpenAI(base_url=URL, api_key=KEY, max_retries=0).responses
TOOL: Any = {
    "type": "function",
    "name": "weather",
    "description": "Tell how warm it is in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


def stream() -> list[str]:
    events = responses.create(model=MODEL, input="Count", stream=True)
    return [event.delta for event in events if event.type == "response.output_text.delta"]


def results(response: Any) -> list[Any]:
    calls = [item for item in response.output if item.type == "function_call"]
    outputs = [weather(**json.loads(call.arguments)) for call in calls]
    made = zip(calls, outputs, strict=True)
    return [{"type": "function_call_output", "call_id": call.call_id, "output": output} for call, output in made]


def tools() -> str:
    """Run tools by sending the whole history again."""
    items: list[Any] = [{"role": "user", "content": QUESTION}]
    while found := results(response := responses.create(model=MODEL, input=items, tools=[TOOL], store=False)):
        items += [*response.output, *found]
    return response.output_text


def streamed_tools() -> str:
    """Run tools over a WebSocket, by naming the response before."""
    with responses.connect() as connection:
        asked: Any = QUESTION
        before: Any = {}
        while True:
            connection.response.create(model=MODEL, input=asked, tools=[TOOL], store=False, **before)
            response: Any = next(event.response for event in connection if event.type == "response.completed")
            if not (asked := results(response)):
                return str(response.output_text)
            before = {"previous_response_id": response.id}


def structured() -> object:
    person = responses.parse(model=MODEL, input=WISH, text_format=Person).output_parsed
    return person and person.model_dump()


if __name__ == "__main__":
    report(
        chat=lambda: responses.create(model=MODEL, input="Hello").output_text,
        stream=stream,
        tools=tools,
        streamed_tools=streamed_tools,
        structured=structured,
    )
