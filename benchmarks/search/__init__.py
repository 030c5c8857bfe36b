"""What the search is worth beside the searches that a user could pick instead.

``live`` trains every trial, ``yardstick`` trains the choices again on new seeds and rows, and
``report`` compares. ``lcbench`` and ``surrogate`` let the same policies search where a trial costs
nothing: to develop on, while live studies decide.
"""
