"""One module for each command, with its options and its help; the code that does the work is imported when the command
runs, so that `--help` is fast; may import app, bench, browser, cli, cluster, storage.
"""
