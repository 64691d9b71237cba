"""OpenAI's Responses API: `/v1/responses` and what belongs to it; may import api, chat, storage, tool_calls."""
