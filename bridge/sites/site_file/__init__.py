"""Sites described by a TOML file: its schema, and the driver and decoder for it; may import sites, browser, chat."""
