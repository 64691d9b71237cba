"""The static files of the operator's page, without a build step; may import no other package."""

from __future__ import annotations

from pathlib import Path

STATIC = Path(__file__).parent / "static"
"""The files below `/dashboard/static/`; `index.html` in it is `/dashboard` itself."""
