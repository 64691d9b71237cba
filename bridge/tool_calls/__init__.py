"""Tool calls and JSON by prompt, without I/O: written into the prompt, parsed from the answer; may import chat."""
