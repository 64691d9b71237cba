"""Turns the site's events into the answer in the form that the client asked for; may import chat, tool_calls."""
