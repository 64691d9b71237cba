"""Google's SDK for Python, which runs the tools and keeps the history of a chat by itself."""

from __future__ import annotations

from typing import Any

from google.genai import Client
from google.genai.types import GenerateContentConfig, HttpOptions

from tests.clients.python.task import IS_PROXIED, KEY, QUESTION, URL, WISH, Person, report, weather

MODEL = "gemini-2.5-flash"
VERSION = "v1beta" if IS_PROXIED else None
"""LiteLLM serves no other version of the API; None is what the SDK asks for by itself."""
client = Client(api_key=KEY, http_options=HttpOptions(base_url=URL.removesuffix("/v1"), api_version=VERSION))
TOOLS: Any = GenerateContentConfig(tools=[weather])


def chat() -> object:
    answer = client.models.generate_content(model=MODEL, contents="Hello")
    assert (answer.model_version, bool(answer.usage_metadata)) == (MODEL, True)
    return answer.text


def check_rest() -> None:
    """Check what has no part in the task: models, and the count of tokens."""
    assert "models/deepseek-chat" in [model.name for model in client.models.list()]
    assert (client.models.count_tokens(model=MODEL, contents="Hello").total_tokens or 0) > 0


def stream() -> list[str]:
    pieces = list(client.models.generate_content_stream(model=MODEL, contents="Count"))
    assert pieces[-1].usage_metadata
    return [piece.text for piece in pieces if piece.text]


def tools() -> object:
    return client.chats.create(model=MODEL, config=TOOLS).send_message(QUESTION).text


def streamed_tools() -> str:
    pieces = client.chats.create(model=MODEL, config=TOOLS).send_message_stream(QUESTION)
    return "".join(piece.text or "" for piece in pieces)


def structured() -> object:
    config = GenerateContentConfig(response_mime_type="application/json", response_schema=Person)
    person = client.models.generate_content(model=MODEL, contents=WISH, config=config).parsed
    assert isinstance(person, Person)
    return person.model_dump()


if __name__ == "__main__":
    if not IS_PROXIED:
        check_rest()
    report(chat=chat, stream=stream, tools=tools, streamed_tools=streamed_tools, structured=structured)
