"""Device type ``strict``: array-api-strict, which allows what the array API standard asks for
and nothing else. This module only describes; the library loads with the first device.
"""

from tensorplug.backends import BackendSpec, hookimpl


@hookimpl
def tensorplug_backends() -> list[BackendSpec]:
    """The one backend of this plugin."""
    return [
        BackendSpec(
            "strict",
            "tensorplug_strict.backend:StrictBackend",
            requires="array_api_strict",
            install="pip install array-api-strict",
        )
    ]
