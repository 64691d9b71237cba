"""LangChain with langchain-openai."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from tests.clients.python.task import KEY, MODEL, QUESTION, URL, WISH, Person, report, weather

model = ChatOpenAI(model=MODEL, base_url=URL, api_key=KEY, max_retries=0)
runnable = tool(weather)
able = model.bind_tools([runnable])


def tools(turn: Any) -> Any:
    messages = [HumanMessage(QUESTION)]
    while (message := turn(messages)).tool_calls:
        results = [ToolMessage(runnable.invoke(call["args"]), tool_call_id=call["id"]) for call in message.tool_calls]
        messages += [message, *results]
    return message.content


if __name__ == "__main__":
    report(
        chat=lambda: model.invoke("Hello").content,
        stream=lambda: [chunk.content for chunk in model.stream("Count") if chunk.content],
        tools=lambda: tools(able.invoke),
        streamed_tools=lambda: tools(lambda messages: reduce(add, able.stream(messages))),
        structured=lambda: model.with_structured_output(Person).invoke(WISH).model_dump(),
    )
