"""A site whose pages get their answers by every transport that chat pages use, and drivers for it."""
