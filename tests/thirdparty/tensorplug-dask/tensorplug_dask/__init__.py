"""Device type ``dask``: Dask arrays: lazy, in chunks, and larger than memory where need be.

This module only describes; the library loads with the first device.
"""

from tensorplug.backends import BackendSpec, hookimpl


@hookimpl
def tensorplug_backends() -> list[BackendSpec]:
    """The one backend of this plugin."""
    return [
        BackendSpec(
            "dask",
            "tensorplug_dask.backend:DaskBackend",
            requires="dask",
            install="pip install 'dask[array]'",
        )
    ]
