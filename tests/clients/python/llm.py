"""Simon Willison's llm, set up by its own file of further models."""

from __future__ import annotations

import json

import llm

from tests.clients.python.task import KEY, MODEL, QUESTION, URL, WISH, Person, report, weather

ENTRY = {
    "model_id": "bridge",
    "model_name": MODEL,
    "api_base": URL,
    "api_key_name": "bridge",
    "supports_tools": True,
    "supports_schema": True,
}
(llm.user_dir() / "extra-openai-models.yaml").write_text(json.dumps([ENTRY]))  # JSON is YAML, too
(llm.user_dir() / "keys.json").write_text(json.dumps({"bridge": KEY}))
model = llm.get_model("bridge")


if __name__ == "__main__":
    report(
        chat=lambda: model.prompt("Hello", stream=False).text(),
        stream=lambda: [text for text in model.prompt("Count") if text],
        tools=lambda: model.chain(QUESTION, tools=[weather], stream=False).text(),
        streamed_tools=lambda: "".join(model.chain(QUESTION, tools=[weather])),
        structured=lambda: json.loads(model.prompt(WISH, schema=Person).text()),
    )
