"""A pytest plugin with backends that each have one fault, registered in the process.

Every fault is a subclass of the NumPy backend under a device type of its own (``f01``, ...);
``clean`` is the same backend without any fault.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorplug.backends import BackendSpec, hookimpl, register
from tensorplug.backends.base import Layout, StorageInfo
from tensorplug.plugins.numpy import NumpyBackend


class Clean(NumpyBackend):
    """No fault; but its memory is not the host's, as on an accelerator."""

    shares_host_memory = False

    def owns(self, array: Any) -> bool:
        return False

    def devices(self) -> list[str]:
        return ["a", "b"]


def with_kernels(**replaced: Any) -> type[Clean]:
    """A backend whose kernels are replaced; ``kernel(original, *args)``."""

    class Faulty(Clean):
        def __init__(self) -> None:
            super().__init__()
            self._kernels = dict(self._kernels)
            self._into = {name: k for name, k in self._into.items() if name not in replaced}
            for name, fault in replaced.items():
                original = self._kernels.get(name) or getattr(super(), name)
                self._kernels[name] = lambda *args, f=fault, o=original: f(o, *args)

    return Faulty


class TransposeCopies(Clean):
    def permute(self, handle: Any, dims: Any) -> Any:
        return super().permute(handle, dims).copy()


class SliceCopies(Clean):
    def index(self, handle: Any, index: Any) -> Any:
        found = super().index(handle, index)
        return found.copy() if any(isinstance(i, slice) for i in index) else found


class ViewCopies(Clean):
    def view(self, handle: Any, shape: Any) -> Any:
        return np.reshape(handle, shape)


class CloneAliases(Clean):
    def clone(self, handle: Any) -> Any:
        return handle[...]


class StridesInBytes(Clean):
    def layout(self, handle: Any) -> Layout:
        shape, strides, offset = super().layout(handle)
        return Layout(shape, tuple(step * handle.itemsize for step in strides), offset)


class LosesOffset(Clean):
    def layout(self, handle: Any) -> Layout:
        shape, strides, offset = super().layout(handle)
        return Layout(shape, strides, offset if handle.flags.c_contiguous else 0)


class LastOfRepeated(Clean):
    def index_put(self, x: Any, values: Any, indices: Any, accumulate: bool) -> Any:
        out = x.copy()
        at = tuple(slice(None) if i is None else i for i in indices)
        out[at] = out[at] + values if accumulate else values
        return out


class BoolByWayOfInt(Clean):
    def cast(self, handle: Any, dtype: Any) -> Any:
        if dtype.name == "bool" and handle.dtype.kind == "f":
            return handle.astype(np.int64) != 0
        return super().cast(handle, dtype)


class OneStorage(Clean):
    def storage(self, handle: Any) -> StorageInfo:
        return super().storage(handle)._replace(key=1)


class HostShares(Clean):
    def from_host(self, array: Any, device: int) -> Any:
        return array


def _narrow(original: Any, x: Any) -> Any:
    return original(x.astype(np.float32)).astype(x.dtype) if x.dtype == np.float64 else original(x)


def _sum_in_kind(original: Any, x: Any, dims: Any, keepdim: bool) -> Any:
    axis = None if dims is None else tuple(dims)
    if x.dtype.kind in "iu":
        return np.asarray(
            x.astype(np.int8).sum(axis=axis, keepdims=keepdim, dtype=np.int8), x.dtype
        )
    return original(x, dims, keepdim)


def _half_sum(original: Any, x: Any, dims: Any, keepdim: bool) -> Any:
    if x.dtype == np.float16 and dims is None and x.size:
        return np.asarray(np.add.accumulate(x.reshape(-1))[-1]).reshape((1,) * x.ndim * keepdim)
    return original(x, dims, keepdim)


def _wrong_second(original: Any, g: Any, y: Any) -> Any:
    return original(g, y) * np.asarray(1.001, g.dtype)


FAULTS: dict[str, type[Clean]] = {
    "clean": Clean,
    "f01": TransposeCopies,
    "f02": SliceCopies,
    "f03": ViewCopies,
    "f04": CloneAliases,
    "f05": StridesInBytes,
    "f06": LosesOffset,
    "f10": LastOfRepeated,
    "f13": with_kernels(sum=_sum_in_kind),
    "f12": with_kernels(sum=_half_sum),
    "f17": with_kernels(remainder=lambda original, x, y: np.asarray(np.fmod(x, y))),
    "f18": BoolByWayOfInt,
    "f19": with_kernels(exp=_narrow, sin=_narrow),
    "f20": with_kernels(maximum=lambda original, x, y: np.asarray(np.fmax(x, y))),
    "f28": HostShares,
    "f41": with_kernels(relu_back=_wrong_second),
    "f42": OneStorage,
}
"""Numbers below 41 are those of the project's catalogue of faults."""

globals().update({f"Backend_{name}": found for name, found in FAULTS.items()})


class Plugin:
    """Declares every faulty backend under its own device type."""

    @hookimpl
    def tensorplug_backends(self) -> list[BackendSpec]:
        return [BackendSpec(name, f"{__name__}:Backend_{name}") for name in FAULTS]


register(Plugin(), name="faulty")
