"""Device type ``scratch``: a backend written from nothing.

This module only describes; the backend loads with the first device.
"""

from tensorplug.backends import BackendSpec, hookimpl


@hookimpl
def tensorplug_backends() -> list[BackendSpec]:
    """The one backend of this plugin."""
    return [BackendSpec("scratch", "tensorplug_scratch.backend:ScratchBackend")]
