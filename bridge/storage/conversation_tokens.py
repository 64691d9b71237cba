"""Counts the tokens of a site's conversation, and checks whether the next turn fits; every call may block.

Prompts and answers count; thinking does not, because the site leaves it out of later turns. Texts are counted one by
one, since the tokenizer caches those of a history; the text around them is counted by an upper bound.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.chat.history_digests import split
from bridge.chat.prompt import AGAIN, CHANGED
from bridge.chat.tokens.vocabularies import tokenizer_of
from bridge.chat.types import ChatRequest, Message
from bridge.errors import ContextTooLong
from bridge.storage.conversation_file import ConversationPosition

LABEL = 24
"""Most tokens of a label and the gap before it."""
INTRODUCTION = 160
"""Most tokens of the sentences that explain the labels."""
FILE_BYTES = 4
"""Bytes of a text file per token; the tokens of pictures and other files are unknown."""
ANSWER_SHARE = 30
"""Divisor of the context that gives an answer's least room: on DeepSeek that is as long as the longest thinking."""


def new_messages(request: ChatRequest, place: ConversationPosition) -> Sequence[Message]:
    """Return the messages to send when `request` continues at `place`."""
    _, new = split(request.messages)
    changed = [Message("system", CHANGED + place.news)] if place.news else []
    again = [Message("system", AGAIN)] if place.is_again else []
    return [*changed, *again, *(new or request.messages)]


def tokens_after(request: ChatRequest, place: ConversationPosition | None, answer: str) -> int | None:
    """Return a conversation's tokens after the answer to `request` at `place`, or in a new one; None: unknown."""
    if place is not None and place.tokens is None:
        return None
    sent = request.messages if place is None else new_messages(request, place)
    before = 0 if place is None or place.tokens is None else place.tokens
    return before + _tokens(request, sent) + tokenizer_of(request.model.vocabulary).tokens(answer)


def has_room(request: ChatRequest, place: ConversationPosition) -> bool:
    """Tell whether the conversation has room for the new messages; else a new one takes the whole history.

    Room for an answer is kept free, unless a new conversation would not have it either. Raise `ContextTooLong` if
    neither has room.
    """
    limit = request.model.context_length
    if limit is None or place.tokens is None:
        return True
    here = place.tokens + _tokens(request, new_messages(request, place))
    is_named = request.conversation is not None  # only its client may have the rest of the history
    room = limit - limit // ANSWER_SHARE
    if here <= room or (is_named and here <= limit):
        return True
    again = here if is_named else _tokens(request, request.messages)
    if again > room and here <= limit:
        return True
    if again <= limit:
        return False
    raise _too_long(again, limit, is_named=is_named)


def _too_long(tokens: int, limit: int, *, is_named: bool) -> ContextTooLong:
    if is_named:
        message = f"With this the conversation has {tokens} tokens, and the model takes {limit}; start a new one."
        return ContextTooLong(message, param="conversation_id")
    message = f"The messages have {tokens} tokens, and the model takes {limit}; shorten them."
    return ContextTooLong(message, param="messages")


def _tokens(request: ChatRequest, messages: Sequence[Message]) -> int:
    tokenizer = tokenizer_of(request.model.vocabulary)
    around = INTRODUCTION + LABEL * len(messages) if len(messages) > 1 else 0
    return around + sum(tokenizer.tokens(message.text) + _file_tokens(message) for message in messages)


def _file_tokens(message: Message) -> int:
    texts = (file.size for file in message.attachments if file.media_type.startswith("text/"))
    return sum(texts) // FILE_BYTES
