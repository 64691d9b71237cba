"""Ollama's SDK for Python; what it reads goes back to it as it is."""

from __future__ import annotations

from typing import Any

from ollama import Client

from tests.clients.python.task import KEY, MODEL, QUESTION, URL, WISH, Person, report, weather

client = Client(URL.removesuffix("/v1"), headers={"Authorization": f"Bearer {KEY}"})


def user(content: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


def chat() -> object:
    assert MODEL in [model.model for model in client.list().models]
    assert "tools" in (client.show(MODEL).capabilities or ())
    assert client.chat(MODEL).done_reason == "load"
    answer = client.chat(f"{MODEL}:latest", user("Hello"))
    assert (answer.done, answer.done_reason, bool(answer.eval_count)) == (True, "stop", True)
    return answer.message.content


def stream() -> list[str]:
    parts = list(client.generate(MODEL, "Count", stream=True))
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    return [part.response for part in parts if part.response]


def tools(turn: Any) -> str:
    messages: list[Any] = user(QUESTION)
    while calls := (said := turn(messages))[-1].tool_calls:
        messages += said
        for call in calls:
            content = weather(**call.function.arguments)
            messages.append({"role": "tool", "tool_name": call.function.name, "content": content})
    return "".join(message.content or "" for message in said)


def whole(messages: Any) -> Any:
    return [client.chat(MODEL, messages, tools=[weather]).message]


def streamed(messages: Any) -> Any:
    """Return one message that holds all pieces."""
    parts = [part.message for part in client.chat(MODEL, messages, tools=[weather], stream=True)]
    message = parts[-1]
    message.content = "".join(part.content or "" for part in parts)
    message.tool_calls = [call for part in parts for call in part.tool_calls or ()]
    return [message]


def structured() -> object:
    answer = client.chat(MODEL, user(WISH), format=Person.model_json_schema())
    return Person.model_validate_json(answer.message.content or "").model_dump()


if __name__ == "__main__":
    report(
        chat=chat,
        stream=stream,
        tools=lambda: tools(whole),
        streamed_tools=lambda: tools(streamed),
        structured=structured,
    )
