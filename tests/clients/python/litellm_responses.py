"""LiteLLM's SDK over the Responses API."""

from __future__ import annotations

import json
from typing import Any

import litellm

from tests.clients.python.task import KEY, MODEL, QUESTION, URL, WISH, Person, report, weather

litellm.suppress_debug_info = True
TOOL = {
    "type": "function",
    "name": "weather",
    "description": "Tell how warm it is in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def respond(asked: Any, **more: Any) -> Any:
    return litellm.responses(model=f"openai/{MODEL}", api_base=URL, api_key=KEY, input=asked, **more)


def stream() -> list[str]:
    return [event.delta for event in respond("Count", stream=True) if event.type == "response.output_text.delta"]


def results(response: Any) -> list[Any]:
    calls = [item for item in response.output if item.type == "function_call"]
    outputs = [weather(**json.loads(call.arguments)) for call in calls]
    made = zip(calls, outputs, strict=True)
    return [{"type": "function_call_output", "call_id": call.call_id, "output": output} for call, output in made]


def tools() -> Any:
    """Run tools by naming the response before."""
    asked: Any = QUESTION
    before: dict[str, Any] = {}
    while asked:
        response = respond(asked, tools=[TOOL], **before)
        asked, before = results(response), {"previous_response_id": response.id}
    return response.output_text


def streamed_tools() -> Any:
    """Run tools by sending the whole history again."""
    items: list[Any] = [{"role": "user", "content": QUESTION}]
    while True:
        events = list(respond(items, tools=[TOOL], store=False, stream=True))
        response = next(event.response for event in events if event.type == "response.completed")
        if not (found := results(response)):
            return response.output_text
        items += [item.model_dump(exclude_none=True) for item in response.output] + found


if __name__ == "__main__":
    report(
        chat=lambda: respond("Hello").output_text,
        stream=stream,
        tools=tools,
        streamed_tools=streamed_tools,
        structured=lambda: Person.model_validate_json(respond(WISH, text_format=Person).output_text).model_dump(),
    )
