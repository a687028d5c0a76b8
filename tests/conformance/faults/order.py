"""Faults of sorting, searching, indexing and scattering."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .base import Clean, fault, with_kernels

__all__ = ["FAULTS"]

Kernel = Callable[..., Any]


# --- order -----


def _last_of_equal(function: Any) -> Kernel:
    """The place of the extreme, searched from the end."""

    def kernel(original: Kernel, x: Any, dim: int | None, keepdim: bool) -> Any:
        if not x.ndim or (x.dtype.kind == "f" and np.isnan(x).any()):
            return original(x, dim, keepdim)
        turned = np.flip(x) if dim is None else np.flip(x, dim)
        last = (x.size if dim is None else x.shape[dim]) - 1
        return np.asarray(last - original(turned, dim, keepdim))

    return kernel


def _reverses_ties(original: Kernel, x: Any, dim: int, descending: bool, stable: bool) -> Any:
    found = original(x, dim, False, stable)
    return np.flip(found, dim) if descending and x.ndim else found


def _nan_first(original: Kernel, x: Any, dim: int, descending: bool, stable: bool) -> Any:
    if descending or x.dtype.kind != "f" or not np.isnan(x).any():
        return original(x, dim, descending, stable)
    return original(np.where(np.isnan(x), -np.inf, x), dim, descending, stable)


def _by_negation(original: Kernel, x: Any, dim: int, descending: bool, stable: bool) -> Any:
    """Descending order as the order of the negative numbers, which unsigned types do not have."""
    if descending and x.dtype.kind in "iu":
        return original(np.negative(x), dim, False, stable)
    return original(x, dim, descending, stable)


def _smallest_reversed(original: Kernel, x: Any, k: int, dim: int, largest: bool) -> Any:
    found = original(x, k, dim, largest)
    return found if largest or not x.ndim else np.flip(found, dim)


def _always_left(original: Kernel, sequence: Any, values: Any, right: bool) -> Any:
    return original(sequence, values, False)


def _last_column_first(original: Kernel, rows: Any) -> Any:
    return original(rows[:, ::-1])


def _middle_mean(original: Kernel, x: Any, dims: Any, keepdim: bool) -> Any:
    return np.asarray(np.median(x)).astype(x.dtype) if x.size else original(x, dims, keepdim)


# --- indices -----


class LastOfRepeated(Clean):
    def index_put(self, x: Any, values: Any, indices: Any, accumulate: bool) -> Any:
        if not accumulate:
            return super().index_put(x, values, indices, False)
        out = x.copy()
        out[tuple(slice(None) if i is None else i for i in indices)] += values
        return out


class ClampedIndices(Clean):
    def _inside(self, index: Any, size: int) -> Any:
        return np.clip(index, 0, max(size - 1, 0))

    def gather(self, x: Any, dim: int, index: Any) -> Any:
        return super().gather(x, dim, self._inside(index, x.shape[dim] if x.ndim else 1))

    def index_select(self, x: Any, dim: int, index: Any) -> Any:
        return super().index_select(x, dim, self._inside(index, x.shape[dim]))

    def index_get(self, x: Any, indices: Any) -> Any:
        kept = (None if i is None else np.clip(i, -n, n - 1)
                for i, n in zip(indices, x.shape, strict=False))  # fmt: skip
        return super().index_get(x, tuple(kept))


class OffByOneFromTheEnd(Clean):
    def index_get(self, x: Any, indices: Any) -> Any:
        kept = tuple(None if i is None else np.where(i < -1, i + 1, i) for i in indices)
        return super().index_get(x, kept)


class KeepsPlace(Clean):
    """Index tensors with a slice between them put their dimension where the first one was."""

    def index_get(self, x: Any, indices: Any) -> Any:
        found = super().index_get(x, indices)
        used = [d for d, i in enumerate(indices) if i is not None]
        if used[0] == 0 or used[-1] - used[0] + 1 == len(used):
            return found
        count = np.broadcast(*(indices[d] for d in used)).ndim
        return np.moveaxis(found, range(count), range(used[0], used[0] + count)).copy()


class HalfIndexAdd(Clean):
    def _accumulated(self, x: Any, where: Any, values: Any) -> Any:
        out = x.copy()
        self.add_at(out, where, values)
        return out


class IncludesSelf(Clean):
    def scatter_reduce(
        self, x: Any, source: Any, dim: int, index: Any, reduce: str, include_self: bool
    ) -> Any:
        return super().scatter_reduce(x, source, dim, index, reduce, True)


class MeanByAll(Clean):
    """A mean that counts the value that was there, included or not."""

    def scatter_reduce(
        self, x: Any, source: Any, dim: int, index: Any, reduce: str, include_self: bool
    ) -> Any:
        found = super().scatter_reduce(x, source, dim, index, reduce, include_self)
        if reduce != "mean" or include_self or x.dtype.kind != "f":
            return found
        count = super().scatter_add(np.zeros(x.shape), np.ones(index.shape), dim, index)
        return (found * np.where(count, count / (count + 1), 1)).astype(x.dtype)


class FlipAliases(Clean):
    def flip(self, x: Any, dims: Any) -> Any:
        return np.flip(x, dims)


class OverwritesRepeated(Clean):
    """Where there was nothing but zeros, as in gradients, scatter_add assigns."""

    def scatter_add(self, x: Any, source: Any, dim: int, index: Any) -> Any:
        add = super().scatter_add if x.any() else super().scatter
        return add(x, source, dim, index)

    def index_add(self, x: Any, source: Any, dim: int, index: Any) -> Any:
        if x.any():
            return super().index_add(x, source, dim, index)
        return self.index_put(x, source, (None,) * dim + (index,), False)


class ColumnMajorNonzero(Clean):
    def nonzero(self, x: Any) -> Any:
        found = super().nonzero(x)
        if x.ndim < 2:
            return found
        order = np.lexsort(found)
        return tuple(places[order] for places in found)


class GathersWhole(Clean):
    """The rows of a smaller index are taken to be as many as those of the source."""

    def gather(self, x: Any, dim: int, index: Any) -> Any:
        found = super().gather(x, dim, index)
        if x.ndim == 2 and dim == 0 and index.shape[1] < x.shape[1] and index.size:
            return super().gather(x[:, ::-1].copy(), dim, index)
        return found


FAULTS = (
    fault("F10", "accumulating index_put keeps the last of repeated indices", "indexing",
          LastOfRepeated, "index_put index_add put", "accumulate repeated index"),
    fault("F21", "argmax takes the last of equal elements", "sorting",
          with_kernels(argmax=_last_of_equal(np.argmax), argmin=_last_of_equal(np.argmin)),
          "argmax argmin", "tie ties"),
    fault("F24", "a descending stable sort reverses ties", "sorting",
          with_kernels(argsort=_reverses_ties), "sort argsort", "tie ties stable"),
    fault("F26", "indices out of range are clamped", "indexing", ClampedIndices,
          "gather index_select take", "index range out"),
    fault("F38", "the gradient of gather and index_select assigns instead of adding",
          "gradients", OverwritesRepeated, "gather index_select scatter_add index_add",
          "repeated"),
    fault("F91", "nan comes first in ascending order", "sorting", with_kernels(argsort=_nan_first),
          "sort argsort", "nan"),
    fault("F92", "descending order of integers by negation", "sorting",
          with_kernels(argsort=_by_negation), "sort argsort", "descending"),
    fault("F93", "topk of the smallest comes in reverse", "sorting",
          with_kernels(topk_indices=_smallest_reversed), "topk"),
    fault("F94", "searchsorted takes no notice of the side", "sorting",
          with_kernels(searchsorted=_always_left), "searchsorted bucketize"),
    fault("F95", "rows are ordered by their last column", "sorting",
          with_kernels(lexsort=_last_column_first), "unique"),
    fault("F96", "the median of an even count is a mean", "sorting",
          with_kernels(median=_middle_mean), "median nanmedian"),
    fault("F97", "indices below -1 are off by one", "indexing", OffByOneFromTheEnd,
          "take", "index indices negative getitem"),
    fault("F98", "index tensors around a slice leave their dimension in place", "indexing",
          KeepsPlace, "", "index indices getitem"),
    fault("F99", "float16 index_add adds up in float16", "scatter", HalfIndexAdd,
          "index_add scatter_add index_put", "float16 half"),
    fault("F100", "scatter_reduce always includes what was there", "scatter", IncludesSelf,
          "scatter_reduce", "include_self"),
    fault("F101", "the mean of scatter_reduce counts what was there", "scatter", MeanByAll,
          "scatter_reduce index_reduce", "mean"),
    fault("F102", "flip gives a view", "views", FlipAliases, "flip fliplr", "alias memory share"),
    fault("F104", "nonzero goes through columns first", "indexing", ColumnMajorNonzero,
          "nonzero argwhere masked_select", "mask masks nonzero order"),
    fault("F105", "gather with a smaller index reads from the other end", "indexing",
          GathersWhole, "gather"),
)  # fmt: skip
