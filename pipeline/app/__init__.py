"""The composition root: puts the rooms together; the only one that knows them all."""
