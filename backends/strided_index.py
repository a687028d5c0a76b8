"""Indexing kernels of :class:`tensorplug.backends.StridedBackend`, and the host's own.

Index arguments are integer arrays. Every result is a new array; an index out of range raises
IndexError naming the index and the size; the engine adds the op.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .layout import contiguous_strides

__all__ = ["StridedIndexing", "host_scatter_reduce"]

_IDENTITY = {"sum": 0, "mean": 0, "prod": 1}
_UFUNC = {"sum": "add", "mean": "add", "prod": "multiply", "amax": "maximum", "amin": "minimum"}


class StridedIndexing:
    """Kernels by position, for array modules that follow NumPy's interface."""

    xp: Any

    # --- what a device may do in its own way ---
    def checked(self, index: Any, dim: int, size: int) -> Any:
        """The index, or one that can be used in its place while a bad one is on record.

        NumPy would take negative ones from the end.

        Raises:
            IndexError: naming the first bad index and the size.
        """
        # As unsigned numbers, negative ones are the largest: one pass finds both.
        if not index.size or index.view("uint64").max() < size:
            return index
        flat = index.reshape(-1)
        first = int(flat[(flat < 0) | (flat >= size)][0])
        raise IndexError(
            f"expected an index from 0 to {size - 1}, got {first}; index {first} is out of bounds "
            f"for dimension {dim} with size {size}"
        )

    def add_at(self, out: Any, index: Any, values: Any) -> None:
        """``out[index] += values`` in place, counting repeated indices."""
        self.xp.add.at(out, index, values)

    def combine_at(self, out: Any, index: Any, values: Any, reduce: str) -> None:
        """As :meth:`add_at` with ``sum``, ``prod``, ``mean`` (a sum), ``amax`` or ``amin``."""
        getattr(self.xp, _UFUNC[reduce]).at(out, index, values)

    # --- kernels ---
    def gather(self, x: Any, dim: int, index: Any) -> Any:
        """``out[i][j] = x[index[i][j]][j]`` for ``dim`` 0; ``index`` may be the smaller one."""
        places = flat_places(self, x, dim, index)
        return self.xp.asarray(x.reshape(-1)[places])

    def scatter(self, x: Any, source: Any, dim: int, index: Any) -> Any:
        """A copy of ``x`` with ``out[index[i][j]][j] = source[i][j]`` for ``dim`` 0."""
        out = x.copy()
        out.reshape(-1)[flat_places(self, x, dim, index)] = source
        return out

    def scatter_add(self, x: Any, source: Any, dim: int, index: Any) -> Any:
        """As :meth:`scatter`, summing up what lands on the same place."""
        places = flat_places(self, x, dim, index).reshape(-1)
        return self._accumulated(x.reshape(-1), places, source.reshape(-1)).reshape(x.shape)

    def scatter_reduce(
        self, x: Any, source: Any, dim: int, index: Any, reduce: str, include_self: bool
    ) -> Any:
        """As :meth:`scatter_add` with ``sum``, ``prod``, ``mean``, ``amax`` or ``amin``."""
        return _scatter_reduce(self, x, source, dim, index, reduce, include_self)

    def index_select(self, x: Any, dim: int, index: Any) -> Any:
        """The slices of ``x`` at the positions of a 1-d ``index``."""
        return self.xp.take(x, self.checked(index, dim, x.shape[dim]), axis=dim)

    def index_add(self, x: Any, source: Any, dim: int, index: Any) -> Any:
        """A copy of ``x`` with the slices of ``source`` added at ``index``."""
        index = self.checked(index, dim, x.shape[dim])
        return self.index_put(x, source, (None,) * dim + (index,), True)

    def index_get(self, x: Any, indices: tuple[Any, ...]) -> Any:
        """Advanced indexing: per leading dimension an integer array or None for all of it."""
        return self.xp.asarray(x[_slices(indices)])  # NumPy gives scalars for 0-d results

    def index_put(self, x: Any, values: Any, indices: tuple[Any, ...], accumulate: bool) -> Any:
        """A copy of ``x`` with ``out[indices] = values``, or ``+=`` with repeated indices."""
        if accumulate:
            places = flat_index(self, x.shape, indices)
            spread = self.xp.broadcast_to(values, places.shape).reshape(-1)
            return self._accumulated(x.reshape(-1), places.reshape(-1), spread).reshape(x.shape)
        out = x.copy()
        out[_slices(indices)] = values
        return out

    def put(self, x: Any, values: Any, indices: tuple[Any, ...]) -> None:
        """``x[indices] = values`` in place."""
        x[_slices(indices)] = values

    def stack(self, tensors: Any, dim: int) -> Any:
        """Arrays of one shape along a new dimension."""
        at = (slice(None),) * dim + (None,)
        return self.xp.concatenate([x[at] for x in tensors], axis=dim)

    def nonzero(self, x: Any) -> tuple[Any, ...]:
        """The indices of the elements that are not zero, one int64 array per dimension."""
        return tuple(self.xp.atleast_1d(x).nonzero()) if x.ndim == 0 else tuple(x.nonzero())

    def flip(self, x: Any, dims: tuple[int, ...]) -> Any:
        """A copy with some dimensions reversed."""
        return self.xp.flip(x, dims).copy() if dims else x.copy()

    def _accumulated(self, x: Any, where: Any, values: Any) -> Any:
        if x.dtype.itemsize == 2 and x.dtype.kind in "fV":  # half: sums in float32
            out = x.astype(self.xp.float32)
            self.add_at(out, where, values.astype(self.xp.float32))
            return out.astype(x.dtype)
        out = x.copy()
        self.add_at(out, where, values)
        return out


def flat_places(kernels: StridedIndexing, x: Any, dim: int, index: Any) -> Any:
    """Where in the flattened ``x`` the elements lie that ``index`` picks along ``dim``."""
    xp = kernels.xp
    index = kernels.checked(index, dim, x.shape[dim] if x.ndim else 1)
    if x.ndim < 2:
        return index
    step = 1
    places = 0
    for d in range(x.ndim - 1, -1, -1):
        if d == dim:
            places = places + (index if step == 1 else index * step)
        elif index.shape[d] > 1:
            line = xp.arange(index.shape[d]) * step
            places = places + line.reshape((-1,) + (1,) * (x.ndim - 1 - d))
        step *= x.shape[d]
    return places


def flat_index(kernels: StridedIndexing, shape: tuple[int, ...], indices: tuple[Any, ...]) -> Any:
    """Where in a flattened array the elements of ``array[indices]`` lie, in that shape."""
    xp = kernels.xp
    dims = [dim for dim, index in enumerate(indices) if index is not None]
    rest = [dim for dim in range(len(shape)) if dim not in dims]
    common = np.broadcast_shapes(*(indices[dim].shape for dim in dims))
    # As NumPy: the indices' dimensions take the place of theirs if that is one place, else lead.
    first = dims[0] if dims[-1] - dims[0] + 1 == len(dims) else 0
    steps = contiguous_strides(shape)
    places = xp.zeros(common, np.int64)
    for dim in dims:
        size = shape[dim]
        index = xp.where(indices[dim] < 0, indices[dim] + size, indices[dim])
        places = places + kernels.checked(index, dim, size) * steps[dim]
    after = rest[first:]
    places = places.reshape(common + (1,) * len(after))
    for position, dim in enumerate(after):
        line = xp.arange(shape[dim]) * steps[dim]
        places = places + line.reshape((-1,) + (1,) * (len(after) - 1 - position))
    for dim in reversed(rest[:first]):
        line = xp.arange(shape[dim]) * steps[dim]
        places = places + line.reshape((-1,) + (1,) * places.ndim)  # one dimension more in front
    return places


def _scatter_reduce(
    kernels: StridedIndexing, x: Any, source: Any, dim: int, index: Any, reduce: str,
    include_self: bool,
) -> Any:  # fmt: skip
    xp = kernels.xp
    where = flat_places(kernels, x, dim, index).reshape(-1)
    shape, x, source = x.shape, x.reshape(-1), source.reshape(-1)
    half = x.dtype.itemsize == 2 and x.dtype.kind in "fV"
    out = x.astype(xp.float32) if half else x.copy()
    source = source.astype(out.dtype)
    if not include_self:
        # The first value to come must win: start from the neutral element.
        first = _IDENTITY[reduce] if reduce in _IDENTITY else _worst(out.dtype, reduce)
        out[where] = xp.full((), first, out.dtype)
    kernels.combine_at(out, where, source, reduce)
    if reduce == "mean":
        count = xp.full(x.shape, 1 if include_self else 0, dtype=np.int64)
        kernels.add_at(count, where, xp.ones(where.shape, np.int64))
        count = xp.maximum(count, 1)
        whole = out.dtype.kind in "iu"
        out = out // count if whole else out / count.astype(out.real.dtype)
    return out.astype(x.dtype).reshape(shape)


def _worst(dtype: Any, reduce: str) -> Any:
    """The value that every other one replaces."""
    if dtype.kind == "b":
        return reduce == "amin"
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return limits.min if reduce == "amax" else limits.max
    return -np.inf if reduce == "amax" else np.inf


class _Host(StridedIndexing):
    xp = np


_HOST = _Host()


@np.errstate(all="ignore")  # infinities and nan are no news
def host_scatter_reduce(
    x: np.ndarray, source: np.ndarray, dim: int, index: np.ndarray, reduce: str, include_self: bool
) -> np.ndarray:
    """``scatter_reduce`` over NumPy arrays, for backends that have nothing of the kind."""
    return _scatter_reduce(_HOST, x, source, dim, index, reduce, include_self)


def _slices(indices: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(slice(None) if index is None else index for index in indices)
