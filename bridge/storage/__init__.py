"""The data that survives a restart, in files of mode 0600 that are written atomically; may import chat."""
