"""Baselines by library: what the field would use on the same windows (models.trials), each in a file of its own."""
