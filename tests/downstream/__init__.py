"""Plugins of others, tried with this very tensorplug, and the table of what they support."""
