"""Tokens of texts: counted by the model's vocabulary, estimated where there is none; may import chat."""
