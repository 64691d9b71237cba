"""How an account is signed in and its login becomes a profile; may import browser, chat, sites, storage, worker."""
