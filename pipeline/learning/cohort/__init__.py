"""How trials are trained together, each to the bit as if it were alone."""
