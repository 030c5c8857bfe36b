"""Where trials are trained: processes of this machine, its GPUs, a Ray cluster."""
