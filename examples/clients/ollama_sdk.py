"""Ollama's SDK for Python: `pip install ollama`. The address has no `/v1`."""

from ollama import Client

client = Client("http://127.0.0.1:8000", headers={"Authorization": "Bearer sk-bridge-..."})
for part in client.chat("deepseek-reasoner", [{"role": "user", "content": "Why is the sky blue?"}], stream=True):
    print(part.message.content, end="", flush=True)
