"""Ollama's dialect: bodies in, bodies and lines of JSON out; may import api, chat, tool_calls."""
