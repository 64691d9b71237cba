"""What the bridge adds to the site: measured on the demo site, beside the floor and a hand-written script."""
