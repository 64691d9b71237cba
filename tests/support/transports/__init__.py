"""A site whose pages get their answers by each transport that chat pages use, and its drivers."""
