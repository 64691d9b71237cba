"""Chromium, its processes and its network, independent of accounts and sites; may import storage."""
