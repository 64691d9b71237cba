"""Chat pages of other makers, as their packages have them, driven by site files alone: installed by `make pages`."""
