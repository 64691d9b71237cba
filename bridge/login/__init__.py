"""How an account is signed in, and how its login becomes a profile."""
