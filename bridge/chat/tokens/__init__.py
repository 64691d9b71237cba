"""Tokens of texts: counted by the model's vocabulary, or estimated without one; may import chat."""
