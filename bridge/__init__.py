"""An OpenAI-style endpoint in front of a chat website, driven through its real page."""

__version__ = "0.1.0"
