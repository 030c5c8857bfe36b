"""The space of a study: parameters, domains, conditions, and the settings that it holds."""
