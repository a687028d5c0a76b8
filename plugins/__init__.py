"""The plugins that ship with tensorplug, described without importing their array libraries."""

from __future__ import annotations

from tensorplug.backends.hookspecs import BackendSpec, hookimpl

__all__ = ["tensorplug_backends"]


@hookimpl
def tensorplug_backends() -> list[BackendSpec]:
    """The shipped backends."""
    return [
        BackendSpec(
            "cpu",
            "tensorplug.plugins.numpy:NumpyBackend",
            requires="numpy",
            install="pip install numpy",
            indexed=False,
        ),
        BackendSpec(
            "cuda",
            "tensorplug.plugins.cupy:CupyBackend",
            requires="cupy",
            install="pip install 'tensorplug[cuda13]' (or 'tensorplug[cuda12]' for drivers of "
            "CUDA 12)",
        ),
        BackendSpec(
            "xla",
            "tensorplug.plugins.jax:JaxBackend",
            requires=("jax", "jaxlib"),
            install="pip install 'tensorplug[jax]'",
        ),
        BackendSpec(
            "tpu",
            "tensorplug.plugins.jax:JaxBackend",
            requires=("jax", "jaxlib"),
            install="pip install 'tensorplug[jax]'",
            options={"platform": "tpu"},
        ),
        BackendSpec("loopback", "tensorplug.plugins.loopback:LoopbackBackend", requires="numpy"),
        BackendSpec(
            "loopback32",
            "tensorplug.plugins.loopback:LoopbackBackend",
            requires="numpy",
            options={"name": "loopback32", "double": False},
        ),
    ]
