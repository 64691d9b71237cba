"""OpenAI's Responses API: responses, conversations, compaction; may import api, chat, storage, tool_calls."""
