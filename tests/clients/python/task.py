"""What each client is made to do; all of them run the same tool and want the same object."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from pydantic import BaseModel

URL = os.environ.get("BASE_URL", "")
KEY = os.environ.get("API_KEY", "")
IS_PROXIED = "PROXIED" in os.environ
"""Whether a proxy of another vendor stands in front of the bridge, and answers by itself what is no chat."""
MODEL = "deepseek-chat"
QUESTION = "How warm is it in Rome and in Oslo?"
WISH = "Who wrote the first program?"


class Person(BaseModel):
    """A person."""

    name: str
    age: int


def weather(city: str) -> str:
    """Tell how warm it is in a city."""
    return f"21 degrees in {city}"


def report(**steps: Callable[[], object]) -> None:
    """Take the steps in the order in which the site answers them, and print what came of each."""
    print(json.dumps({name: step() for name, step in steps.items()}))
