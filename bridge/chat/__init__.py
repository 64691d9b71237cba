"""The vocabulary of a chat, without I/O: what is asked, what is answered, and how both are put into text."""
