"""Gemini's dialect: bodies in, bodies, events and JSON arrays out; may import api, chat, tool_calls."""
