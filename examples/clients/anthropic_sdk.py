"""Anthropic's SDK for Python: `pip install anthropic`. The base URL has no `/v1`."""

from anthropic import Anthropic

client = Anthropic(base_url="http://127.0.0.1:8000", api_key="sk-bridge-...")
with client.messages.stream(
    model="claude-sonnet-4-5", max_tokens=4096, messages=[{"role": "user", "content": "Why is the sky blue?"}]
) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
