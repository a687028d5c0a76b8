"""Indexing by arrays of positions, over array API functions alone.

Reads (:meth:`~IndexKernels.gather`, :meth:`~IndexKernels.index_get`) are one ``take`` at computed
positions and stay on the device. The standard has no scatter, so writes at positions go through
the host and NumPy; a library with a scatter of its own overrides them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .dtypes import bfloat16, float16, int64
from .layout import broadcast_shapes, contiguous_strides, numel
from .storage import Handle, read

if TYPE_CHECKING:
    from .array_api import ArrayAPIBackend

__all__ = ["IndexKernels"]

Indices = tuple[Handle | None, ...]


class IndexKernels:
    """Kernels by position for :class:`tensorplug.backends.ArrayAPIBackend`.

    Indices are int64 handles; negative ones count from the end, and one out of range raises
    IndexError naming the index and the size. Every result is a new handle.
    """

    def wrap_index(self, index: Any, dim: int, size: int, lowest: int | None = None) -> Any:
        """A library array of indices, made non-negative and checked.

        Negative ones count from the end, down to ``lowest`` (default: ``-size``).
        The check waits for the values; a library that traces programs overrides this.
        """
        backend = _backend(self)

        def fails(found: Any) -> bool:
            return backend.fails(backend.adopt(found))

        return _wrapped(backend.namespace, index, dim, size, lowest, fails)

    def gather(self, x: Handle, dim: int, index: Handle) -> Handle:
        """``out[i][j] = x[index[i][j]][j]`` for ``dim`` 0; ``index`` may be the smaller one.

        Negative indices are out of range here and in :meth:`scatter`, as in PyTorch.
        """
        backend = _backend(self)
        xp = backend.namespace
        array, shape = read(x), index.shape
        dim = dim % max(x.ndim, 1)
        size = x.shape[dim] if x.ndim else 1
        strides = contiguous_strides(x.shape) or (1,)
        chosen = backend.cast_array(read(index), int64)
        positions = self.wrap_index(chosen, dim, size, 0) * strides[dim]
        for d, length in enumerate(shape):
            if d != dim:
                steps = backend.constant(np.arange(length, dtype=np.int64) * strides[d], array)
                positions = positions + xp.reshape(steps, (length,) + (1,) * (len(shape) - d - 1))
        return backend.adopt(_take(xp, array, positions, (), shape))

    def scatter(self, x: Handle, source: Handle | float, dim: int, index: Handle) -> Handle:
        """A copy of ``x`` with ``out[index[i][j]][j] = source[i][j]`` for ``dim`` 0.

        The last of several sources for one place wins. Runs on the host.
        """
        out, key, values = self._scattered(x, source, dim, index)
        out[key] = values
        return _backend(self).like(out, x)

    def scatter_add(self, x: Handle, source: Handle | float, dim: int, index: Handle) -> Handle:
        """As :meth:`scatter`, adding up all sources of a place and its old value."""
        out, key, values = self._scattered(x, source, dim, index)
        out = _add_at(out, key, values)
        return _backend(self).like(out, x)

    def index_select(self, x: Handle, dim: int, index: Handle) -> Handle:
        """The slices of ``x`` at the positions of a 1-d ``index``, none of them negative."""
        backend = _backend(self)
        chosen = backend.cast_array(read(index), int64)
        positions = self.wrap_index(chosen, dim, x.shape[dim], 0)
        return backend.adopt(backend.namespace.take(read(x), positions, axis=dim))

    def index_add(self, x: Handle, source: Handle, dim: int, index: Handle) -> Handle:
        """A copy of ``x`` with the slices of ``source`` added at ``index``."""
        chosen = _backend(self).cast_array(read(index), int64)
        self.wrap_index(chosen, dim, x.shape[dim], 0)
        return self.index_put(x, source, (*(None,) * dim, index), True)

    def index_get(self, x: Handle, indices: Indices) -> Handle:
        """Advanced indexing: per leading dimension an integer handle, or None for all of it.

        Handles broadcast; their dimensions come where the first of them was when they are
        neighbours, else in front, as in NumPy.
        """
        backend = _backend(self)
        xp = backend.namespace
        array = read(x)
        given = {dim: index for dim, index in enumerate(indices) if index is not None}
        dims = list(given)
        if not dims:
            return backend.clone(x)
        rest = [dim for dim in range(x.ndim) if dim not in dims]
        common = _common([index.shape for index in given.values()])
        strides = contiguous_strides([x.shape[dim] for dim in dims])
        positions = backend.constant(np.zeros(common, np.int64), array)
        for dim, stride in zip(dims, strides, strict=True):
            chosen = backend.cast_array(read(given[dim]), int64)
            positions = positions + self.wrap_index(chosen, dim, x.shape[dim]) * stride
        inner = tuple(x.shape[dim] for dim in rest)
        rows = xp.permute_dims(array, (*dims, *rest))
        found = _take(xp, rows, positions, inner, (*common, *inner))
        if dims[-1] - dims[0] + 1 == len(dims) and dims[0] > 0:
            first, count = dims[0], len(common)
            order = (*range(count, count + first), *range(count), *range(count + first, found.ndim))
            found = xp.permute_dims(found, order)
        return backend.adopt(found)

    def index_put(
        self, x: Handle, values: Handle | float, indices: Indices, accumulate: bool
    ) -> Handle:
        """A copy of ``x`` with ``out[indices] = values``, or ``+=`` counting repeated indices.

        ``indices`` as in :meth:`index_get`; ``values`` broadcasts. Runs on the host.
        """
        backend = _backend(self)
        out = np.array(backend.to_host(x))
        _common([index.shape for index in indices if index is not None])
        key: Any = tuple(
            slice(None) if index is None else self._on_host(index, dim, x.shape[dim])
            for dim, index in enumerate(indices)
        )
        given = _host_values(backend, values)
        if accumulate:
            out = _add_at(out, key, given)
        else:
            out[key] = given
        return backend.like(out, x)

    def nonzero(self, x: Handle) -> tuple[Handle, ...]:
        """The indices of the elements that are not zero, one int64 handle per dimension.

        A 0-d handle counts as one of shape ``(1,)``.
        """
        backend = _backend(self)
        xp, array = backend.namespace, read(x)
        found = xp.nonzero(array if x.ndim else xp.reshape(array, (1,)))
        return tuple(backend.adopt(backend.cast_array(index, int64)) for index in found)

    def _on_host(self, index: Handle, dim: int, size: int, lowest: int | None = None) -> np.ndarray:
        array = _backend(self).to_host(index).astype(np.int64)
        return np.asarray(_wrapped(np, array, dim, size, lowest))

    def _scattered(
        self, x: Handle, source: Handle | float, dim: int, index: Handle
    ) -> tuple[np.ndarray, tuple[Any, ...], Any]:
        """A host copy of ``x``, the NumPy key to write at, and the values for it."""
        backend = _backend(self)
        out = np.array(backend.to_host(x))
        values = _host_values(backend, source)
        if not index.ndim:
            self._on_host(index, 0, x.shape[0] if x.ndim else 1, 0)
            return out, (backend.to_host(index),) if x.ndim else (), values
        dim = dim % index.ndim
        chosen = self._on_host(index, dim, x.shape[dim] if x.ndim else 1, 0)
        if values.ndim:
            values = values[tuple(slice(size) for size in chosen.shape)]
        key: list[Any] = list(np.ogrid[tuple(slice(size) for size in chosen.shape)])
        key[dim] = chosen
        return out, tuple(key), values


def _backend(kernels: IndexKernels) -> ArrayAPIBackend:
    """The same object under its full type: this class is only ever a part of that one."""
    return kernels  # type: ignore[return-value]  # see there


_NARROW = (float16.numpy, bfloat16.numpy)


@np.errstate(all="ignore")  # infinities and nan are no news
def _add_at(out: np.ndarray, key: Any, values: np.ndarray) -> np.ndarray:
    """Sums at places, repeated ones too; 16-bit numbers are summed in 32 bits and rounded once."""
    if out.dtype not in _NARROW:
        np.add.at(out, key, values)
        return out
    wide = out.astype(np.float32)
    np.add.at(wide, key, values.astype(np.float32))
    return wide.astype(out.dtype)


def _host_values(backend: ArrayAPIBackend, values: Handle | float) -> np.ndarray:
    return backend.to_host(values) if isinstance(values, Handle) else np.asarray(values)


def _common(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    try:
        return broadcast_shapes(*shapes)
    except ValueError:
        raise IndexError(
            "expected index tensors that broadcast together, got shapes "
            + ", ".join(map(str, shapes))
        ) from None


def _take(
    xp: Any, array: Any, positions: Any, inner: tuple[int, ...], shape: tuple[int, ...]
) -> Any:
    """Rows of shape ``inner`` at flat ``positions``, reshaped to ``shape``."""
    count = numel(positions.shape)
    rows = numel(array.shape[: array.ndim - len(inner)])
    flat = xp.reshape(array, (rows, *inner))
    return xp.reshape(xp.take(flat, xp.reshape(positions, (count,)), axis=0), shape)


def _wrapped(
    xp: Any, index: Any, dim: int, size: int, lowest: int | None,
    fails: Callable[[Any], bool] = bool,
) -> Any:  # fmt: skip
    lowest = -size if lowest is None else lowest
    outside = (index < lowest) | (index >= size)
    if fails(xp.any(outside)):
        flat, bad = (xp.reshape(a, (numel(index.shape),)) for a in (index, outside))
        first = int(flat[int(xp.argmax(xp.astype(bad, xp.uint8)))])
        raise IndexError(
            f"expected an index from {lowest} to {size - 1}, got {first}; index {first} is "
            f"out of bounds for dimension {dim} with size {size}"
        )
    return xp.where(index < 0, index + size, index)
