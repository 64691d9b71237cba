"""Small JSON files of the bridge's own state; a missing or damaged one counts as empty."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from loguru import logger
from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


def read_state(path: Path, form: TypeAdapter[T], empty: T) -> T:
    """Return the content of a file, or `empty`; log a file that cannot be read. Blocks."""
    try:
        return form.validate_json(path.read_bytes())
    except FileNotFoundError:
        return empty
    except (OSError, ValidationError) as error:
        logger.warning("Ignoring {}, which cannot be read: {}", path, type(error).__name__)
        return empty
