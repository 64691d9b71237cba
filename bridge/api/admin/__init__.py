"""What the operator of the bridge may ask and do, with a key, below `/admin/api/`."""
