"""Anthropic's SDK for Python, with its own tool runner."""

from __future__ import annotations

import os
from typing import Any

import anthropic
from anthropic import Anthropic, beta_tool

from tests.clients.python.task import IS_PROXIED, KEY, QUESTION, URL, WISH, Person, report, weather

MODEL = os.environ.get("MODEL", "claude-sonnet-4-5")
THREAD: Any = {"thread": False} if IS_PROXIED else {}
"""LiteLLM drops the field `thread`: without this the SDK would take its server for one that keeps the history."""
client = Anthropic(base_url=URL.removesuffix("/v1"), api_key=KEY, max_retries=0, _strict_response_validation=True)


def user(content: str) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 2000, "messages": [{"role": "user", "content": content}]}


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def chat() -> str:
    message = client.messages.create(**user("Hello"))
    assert (message.stop_reason, message.role, message.model) == ("end_turn", "assistant", MODEL)
    return text_of(message)


def stream() -> list[str]:
    with client.messages.stream(**user("Count")) as events:
        pieces = list(events.text_stream)
        assert text_of(events.get_final_message()) == "".join(pieces)
    return pieces


def tools(*, streamed: bool) -> str:
    runner = client.beta.messages.tool_runner(**user(QUESTION), tools=[beta_tool(weather)], stream=streamed, **THREAD)
    message: Any = None
    for turn in runner:
        message = turn.get_final_message() if streamed else turn
    return text_of(message)


def structured() -> object:
    person = client.messages.parse(**user(WISH), output_format=Person).parsed_output
    return person and person.model_dump()


def raised(client: Anthropic, **more: Any) -> anthropic.APIStatusError:
    """Return what the SDK raises for a bad request."""
    try:
        client.messages.create(**{**user("Hi"), **more})
    except anthropic.APIStatusError as error:
        return error
    raise AssertionError(f"no error with {more}")


def check_rest() -> None:
    """Check what has no part in the task: models, the count of tokens, and errors as the SDK raises them."""
    assert next(iter(client.models.list())).type == "model"
    assert client.models.retrieve(MODEL).id == MODEL
    assert client.messages.count_tokens(model=MODEL, messages=user("Hi")["messages"]).input_tokens > 0
    kept = client.beta.files.upload(file=("notes.txt", b"notes", "text/plain"))
    assert client.beta.files.retrieve_metadata(kept.id).size_bytes == len("notes")
    assert kept.id in [file.id for file in client.beta.files.list()]
    assert client.beta.files.download(kept.id).read() == b"notes"
    assert client.beta.files.delete(kept.id).type == "file_deleted"
    unknown = raised(client, model="gpt-4o")
    assert isinstance(unknown, anthropic.NotFoundError)
    assert unknown.request_id == unknown.body["request_id"]
    assert isinstance(raised(client, messages=[]), anthropic.BadRequestError)
    assert isinstance(raised(client.with_options(api_key="sk-bridge-wrong")), anthropic.AuthenticationError)


if __name__ == "__main__":
    if not IS_PROXIED:
        check_rest()
    report(
        chat=chat,
        stream=stream,
        tools=lambda: tools(streamed=False),
        streamed_tools=lambda: tools(streamed=True),
        structured=structured,
    )
