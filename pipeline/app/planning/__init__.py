"""A study before it runs: checked, measured on its corners, rehearsed."""
