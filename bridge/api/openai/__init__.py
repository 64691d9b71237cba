"""OpenAI's dialect: bodies in, bodies and frames out; may import api, chat, storage, tool_calls."""
