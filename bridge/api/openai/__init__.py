"""OpenAI's dialect: bodies in, bodies and frames out; may import api, chat, storage, tokens, tool_calls."""
