"""LiteLLM's SDK; its argument names the API that it speaks to the bridge."""

from __future__ import annotations

import json
import sys
from typing import Any

import litellm

from tests.clients.python.task import KEY, MODEL, QUESTION, URL, WISH, Person, report, weather

litellm.suppress_debug_info = True
BASE = URL.removesuffix("/v1")
APIS = {
    "openai": {"model": f"openai/{MODEL}", "api_base": URL},
    "anthropic": {"model": "anthropic/claude-sonnet-4-5", "api_base": BASE},
    "ollama": {"model": f"ollama_chat/{MODEL}", "api_base": BASE},
    "google": {"model": "gemini/gemini-2.5-flash", "api_base": BASE},
}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tell how warm it is in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def complete(messages: list[Any], **more: Any) -> Any:
    return litellm.completion(**APIS[sys.argv[1]], api_key=KEY, messages=messages, **more)


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def chat() -> Any:
    return complete(user("Hello")).choices[0].message.content


def stream() -> list[Any]:
    chunks = complete(user("Count"), stream=True)
    return [text for chunk in chunks if (text := chunk.choices[0].delta.content)]


def tools(turn: Any) -> Any:
    messages = user(QUESTION)
    while (message := turn(messages)).tool_calls:
        messages.append(message)
        for call in message.tool_calls:
            content = weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": content})
    return message.content


def whole(messages: list[Any]) -> Any:
    return complete(messages, tools=[TOOL]).choices[0].message


def streamed(messages: list[Any]) -> Any:
    chunks = list(complete(messages, tools=[TOOL], stream=True))
    return litellm.stream_chunk_builder(chunks).choices[0].message


def structured() -> object:
    answer = complete(user(WISH), response_format=Person)
    return Person.model_validate_json(answer.choices[0].message.content).model_dump()


if __name__ == "__main__":
    report(
        chat=chat,
        stream=stream,
        tools=lambda: tools(whole),
        streamed_tools=lambda: tools(streamed),
        structured=structured,
    )
