"""A site described by data: the TOML file, the driver and the decoder that work by it; may import browser, chat."""
