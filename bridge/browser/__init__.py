"""Chromium, its processes and its network; knows no account and no site."""
