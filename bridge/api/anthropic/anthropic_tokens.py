"""Anthropic's `/v1/messages/count_tokens`: what a request would cost, without sending it."""

from __future__ import annotations

from bridge.api.anthropic.anthropic_messages import AnthropicMessages
from bridge.api.anthropic.anthropic_request import read
from bridge.api.surface import ApiCall, Immediate
from bridge.chat.token_estimate import prompt_tokens


class AnthropicTokenCount(AnthropicMessages):
    """Counts the tokens of what would be a chat."""

    path = "/v1/messages/count_tokens"
    summary = "Count the tokens of messages in Anthropic's form"

    def parse(self, call: ApiCall) -> Immediate:
        """Return the count."""
        return Immediate({"input_tokens": prompt_tokens(read(call, self._settings).chat.messages)})
