"""Layers, networks, data, and the fit of a cohort: the only room with torch and Lightning."""
