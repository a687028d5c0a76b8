"""The functions of ``tensorplug.nn.functional``, by area."""
