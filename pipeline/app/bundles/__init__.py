"""A study in one file: written, checked and read as a stranger's."""
