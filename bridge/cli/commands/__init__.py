"""One module for each command: its options and its help; what does the work is imported when the command runs, so that
`--help` answers at once; may import app, bench, browser, cli, cluster, storage.
"""
