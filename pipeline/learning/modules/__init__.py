"""The built-in networks: layers, losses, and the ordinary Lightning modules made of them."""
