"""A study of a thousand workers and a hundred thousand trials in which nothing is trained."""
