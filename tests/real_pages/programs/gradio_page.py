"""A `ChatInterface` of Gradio 6 with a login, as its documentation has it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr
from openai import AsyncOpenAI

MODEL = AsyncOpenAI(base_url=os.environ["MODEL_URL"] + "/v1", api_key="none", max_retries=0)


async def answer(message: str, history: list[dict[str, Any]]) -> AsyncIterator[str]:
    """Answer one prompt, piece by piece."""
    said = ""
    messages: Any = [{"role": one["role"], "content": one["content"]} for one in history]
    messages.append({"role": "user", "content": message})
    stream = await MODEL.chat.completions.create(model="known", messages=messages, stream=True)
    async with stream:
        async for chunk in stream:
            if piece := chunk.choices[0].delta.content:
                said += piece
                yield said


with gr.Blocks() as page:
    gr.ChatInterface(answer)
page.launch(
    server_name="127.0.0.1",
    server_port=int(os.environ["PAGE_PORT"]),
    auth=(os.environ["PAGE_USER"], os.environ["PAGE_PASSWORD"]),
    show_error=True,
)
