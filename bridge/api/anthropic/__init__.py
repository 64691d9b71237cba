"""Anthropic's dialect: bodies in, bodies and frames out; may import api, chat, tool_calls."""
