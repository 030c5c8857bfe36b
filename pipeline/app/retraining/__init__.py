"""Trials trained again: reproduced, confirmed on new seeds, refitted on more rows."""
