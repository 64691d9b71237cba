"""A chat of Chainlit with a login, as its documentation has it: each chat keeps its own history."""

from __future__ import annotations

import os

import chainlit as cl
from openai import AsyncOpenAI

MODEL = AsyncOpenAI(base_url=os.environ["MODEL_URL"] + "/v1", api_key="none", max_retries=0)


@cl.password_auth_callback
def sign_in(username: str, password: str) -> cl.User | None:
    """Take the one account that there is."""
    is_known = (username, password) == (os.environ["PAGE_USER"], os.environ["PAGE_PASSWORD"])
    return cl.User(identifier=username) if is_known else None


@cl.on_chat_start
def begin() -> None:
    """Begin a chat."""
    cl.user_session.set("history", [])


@cl.on_message
async def answer(message: cl.Message) -> None:
    """Answer one prompt, piece by piece."""
    history = cl.user_session.get("history")
    history.append({"role": "user", "content": message.content})
    reply = cl.Message(content="")
    stream = await MODEL.chat.completions.create(model="known", messages=history, stream=True)
    async with stream:
        async for chunk in stream:
            if piece := chunk.choices[0].delta.content:
                await reply.stream_token(piece)
    history.append({"role": "assistant", "content": reply.content})
    await reply.update()
