"""The vocabulary of a chat, without I/O: requests, events, model names, prompts, digests;
may import no other package.
"""
