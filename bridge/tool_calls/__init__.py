"""Tool calls and JSON by prompt, without I/O: rendered into the prompt, parsed out of the answer; may import chat."""
