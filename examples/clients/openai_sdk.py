"""The OpenAI SDK for Python: `pip install openai`."""

from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="sk-bridge-...")
stream = client.chat.completions.create(
    model="deepseek-reasoner", messages=[{"role": "user", "content": "Why is the sky blue?"}], stream=True
)
for chunk in stream:
    print(chunk.choices[0].delta.content or "", end="", flush=True)
