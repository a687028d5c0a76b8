"""Optimizers, schedulers, averages."""
