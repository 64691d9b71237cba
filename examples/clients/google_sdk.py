"""Google's SDK for Python: `pip install google-genai`. The base URL has no `/v1`."""

from google import genai

client = genai.Client(api_key="sk-bridge-...", http_options={"base_url": "http://127.0.0.1:8000"})
for piece in client.models.generate_content_stream(model="gemini-2.5-flash", contents="Why is the sky blue?"):
    print(piece.text, end="", flush=True)
