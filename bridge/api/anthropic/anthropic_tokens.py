"""Anthropic's `/v1/messages/count_tokens`: the tokens of a request, without sending it."""

from __future__ import annotations

from bridge.api.anthropic.anthropic_messages import AnthropicMessages
from bridge.api.anthropic.anthropic_request import read
from bridge.api.surface import ApiCall, TokenQuestion


class AnthropicTokenCount(AnthropicMessages):
    """The surface that counts the tokens of a request for messages."""

    path = "/v1/messages/count_tokens"
    summary = "Count the tokens of messages in Anthropic's form"
    stream_type = ""

    def parse(self, call: ApiCall) -> TokenQuestion:
        """Return the chat whose tokens to count."""
        return TokenQuestion(read(call, self._settings).chat, lambda tokens: {"input_tokens": tokens})
