"""One file for each API surface; `base.py` is the one place where a chat meets HTTP."""
