"""One file, or a pair, for each chat website; the file name is the site's name in a profile."""
