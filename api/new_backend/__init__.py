"""``tensorplug new-backend``: writes a complete plugin for an array library, to start from.

The files are made of the templates in ``data/``; ``library.py`` finds out what the library needs.
"""
