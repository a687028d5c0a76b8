"""Device type ``torch``: PyTorch's tensors as plain arrays, without its autograd.

This module only describes; the library loads with the first device.
"""

from tensorplug.backends import BackendSpec, hookimpl


@hookimpl
def tensorplug_backends() -> list[BackendSpec]:
    """The one backend of this plugin."""
    return [
        BackendSpec(
            "torch",
            "tensorplug_torch.backend:TorchBackend",
            requires="torch",
            install="pip install torch",
        )
    ]
