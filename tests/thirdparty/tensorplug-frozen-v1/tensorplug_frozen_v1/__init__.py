"""Frozen: a plugin for version 1 of the contract, as people wrote them then. Never edit it.

It uses all three hooks, the group ``tensorplug``, and a backend that knows no capabilities.
"""

from tensorplug.backends import BackendSpec, hookimpl


@hookimpl
def tensorplug_backends() -> list[BackendSpec]:
    """The one backend of this plugin."""
    return [
        BackendSpec(
            "frozen",
            "tensorplug_frozen_v1.backend:FrozenBackend",
            requires="numpy",
            install="pip install numpy",
            api=1,
        )
    ]


@hookimpl
def tensorplug_kernels(backend):
    """A kernel for the backend above, beside those that it brings itself."""
    if backend != "frozen-numpy":
        return {}
    from tensorplug_frozen_v1.backend import expm1

    return {"expm1": expm1}


@hookimpl
def tensorplug_ops():
    """No operations of its own."""
    return []
