"""What to try next: the space as a sampler sees it, first designs, models, Optuna's samplers."""
