"""Chromium, its processes and its network, without knowing any account or site; may import storage."""
