"""A `ChatInterface` of Gradio 4 with a login, as its documentation has it: its history is a list of pairs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr
from openai import AsyncOpenAI

MODEL = AsyncOpenAI(base_url=os.environ["MODEL_URL"] + "/v1", api_key="none", max_retries=0)


async def answer(message: str, history: list[list[str]]) -> AsyncIterator[str]:
    """Answer one prompt, piece by piece."""
    said = ""
    messages: Any = []
    for prompt, reply in history:
        messages += [{"role": "user", "content": prompt}, {"role": "assistant", "content": reply}]
    messages.append({"role": "user", "content": message})
    stream = await MODEL.chat.completions.create(model="known", messages=messages, stream=True)
    async with stream:
        async for chunk in stream:
            if piece := chunk.choices[0].delta.content:
                said += piece
                yield said


gr.ChatInterface(answer).launch(
    server_name="127.0.0.1",
    server_port=int(os.environ["PAGE_PORT"]),
    auth=(os.environ["PAGE_USER"], os.environ["PAGE_PASSWORD"]),
    show_error=True,
)
