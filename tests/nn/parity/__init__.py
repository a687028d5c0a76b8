"""Layers and losses against PyTorch's, from one table."""
