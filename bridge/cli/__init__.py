"""The command line, one module for each command;
may import app, bench, browser, chat, client, demo, health_checks, login, sites, storage, worker.
"""
