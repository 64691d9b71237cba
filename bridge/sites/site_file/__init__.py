"""A site described by data: its TOML file, its driver and decoder that follow it; may import sites, browser, chat."""
