"""The dashboard's page: static files without a build step, served by `bridge.api.admin`; this says where they are."""

from __future__ import annotations

from pathlib import Path

STATIC = Path(__file__).parent / "static"
"""The files below `/dashboard/static/`; `index.html` in it is `/dashboard` itself."""
