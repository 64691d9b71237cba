"""The static files of the operator's page, without a build step; may import no other package."""

from __future__ import annotations

from pathlib import Path

STATIC = Path(__file__).parent / "static"
"""Folder of the files below `/dashboard/static/`; its `index.html` is the page `/dashboard`."""
