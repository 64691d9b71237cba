"""What the documentation refers to: links, paths, commands, settings, errors, and names in the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.docs.blocks import ROOT

LINK = re.compile(r"\]\(([^)\s]+)\)")
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
FOLDERS = "bridge|tests|docs|examples|profiles|\\.docker|\\.lock|\\.ci|\\.github"
PATH = re.compile(
    rf"(?<![\w/.~-])((?:{FOLDERS})/[\w./*-]*\w/?|Makefile|Dockerfile|pyproject\.toml|[A-Z]+\.md)(?![\w/])"
)
COMMAND = re.compile(
    r"(?:^|xvfb-run |\.venv/bin/|[A-Z]+=\S+ |exec bridge )bridge ((?:--config FILE )?[a-z]+(?: [a-z]+)?)(?=[\s`]|$)(.*)"
)
OPTION = re.compile(r"(?<=\s)(--?[a-z][a-z-]*)")
NAME = re.compile(r"(bridge(?:\.\w+)+)(?:\(\))?")
ERROR = re.compile(r"\b([45]\d\d)`? `?([a-z]+(?:_[a-z]+)+)`")


def markdown_files() -> list[Path]:
    """Return all Markdown files of the repository that people wrote."""
    patterns = ("*.md", "docs/**/*.md", "examples/**/*.md", "profiles/*.md", "bridge/**/*.md")
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


def spans(text: str) -> Iterator[str]:
    """Yield what stands in code spans, outside of code blocks."""
    yield from (span[1] for span in SPAN.finditer(FENCE.sub("", text)))


def shell(text: str) -> Iterator[str]:
    """Yield the lines of code blocks that are typed into a shell, without their comments."""
    for block in FENCE.finditer(text):
        if block[1] in ("sh", "console", ""):
            yield from (line.partition("  #")[0].strip() for line in block[2].replace("\\\n", " ").splitlines())


def typed(text: str) -> Iterator[str]:
    """Yield everything that may be a command: code spans, and lines of a shell."""
    yield from spans(text)
    yield from shell(text)


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings of a Markdown file, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def texts_in_code() -> str:
    """Return the product's code, with texts that are written on several lines put together."""
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "bridge").rglob("*.py"))
    return re.sub(r'"\s*\n\s*f?"', "", code)
