"""The live view: an account's page in the operator's own browser, as pictures out and keys in; knows no HTTP."""
