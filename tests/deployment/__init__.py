"""Ways to deploy the bridge, tried for real: images, service managers, tools. `make deployment` runs them."""
