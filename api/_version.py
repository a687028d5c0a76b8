"""The version, stated once: packaging metadata and ``tensorplug.__version__`` both read it."""

__version__ = "0.1.0"
