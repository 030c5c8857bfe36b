"""The user's own ``LightningModule`` and ``LightningDataModule``, named by their class path.

Nothing is imported here: ``search_path`` is used before torch is needed.
"""
