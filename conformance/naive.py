"""Convolutions and pools written out as loops over NumPy arrays: slow, and plain to read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

__all__ = ["convolution", "pool", "transposed", "windows"]

Sizes = Sequence[int]


def windows(
    size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil: bool = False
) -> tuple[list[int], Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]]:
    """The output's size, and each ``(output place, kernel place, input place)``."""
    out = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        count = (-(-room // s) if ceil else room // s) + 1
        out.append(count - (ceil and (count - 1) * s >= n + p))  # a window starts inside

    def places() -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
        for o in itertools.product(*map(range, out)):
            for k in itertools.product(*map(range, kernel)):
                at = tuple(a * s - p + b * d for a, b, s, p, d
                           in zip(o, k, stride, padding, dilation, strict=True))  # fmt: skip
                yield o, k, at

    return out, places()


def _at(first: object, second: object, *rest: object) -> Any:
    """An index; its parts have any type."""
    return (first, second, *rest)


def _inside(at: Sizes, size: Sizes) -> bool:
    return all(0 <= a < n for a, n in zip(at, size, strict=True))


def convolution(
    x: np.ndarray, weight: np.ndarray, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> np.ndarray:
    """Cross-correlation of ``(N, C, *size)`` with ``(O, C / groups, *kernel)``."""
    size, kernel = x.shape[2:], weight.shape[2:]
    shape, places = windows(size, kernel, stride, padding, dilation)
    out = np.zeros((x.shape[0], weight.shape[0], *shape))
    some, each = weight.shape[0] // groups, weight.shape[1]
    for o, k, at in places:
        if _inside(at, size):
            for g in range(groups):
                part = x[_at(slice(None), slice(g * each, (g + 1) * each), *at)]
                rows = slice(g * some, (g + 1) * some)
                out[_at(slice(None), rows, *o)] += part @ weight[_at(rows, slice(None), *k)].T
    return out


def transposed(
    x: np.ndarray, weight: np.ndarray, stride: Sizes, padding: Sizes, extra: Sizes,
    dilation: Sizes, groups: int,
) -> np.ndarray:  # fmt: skip
    """The transpose of :func:`convolution`; ``weight`` is ``(C, O / groups, *kernel)``."""
    kernel, size = weight.shape[2:], x.shape[2:]
    out_size = [(n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, k, s, p, d, e in
                zip(size, kernel, stride, padding, dilation, extra, strict=True)]  # fmt: skip
    some, each = x.shape[1] // groups, weight.shape[1]
    out = np.zeros((x.shape[0], each * groups, *out_size))
    for o in itertools.product(*map(range, size)):
        for k in itertools.product(*map(range, kernel)):
            at = tuple(a * s - p + b * d for a, b, s, p, d
                       in zip(o, k, stride, padding, dilation, strict=True))  # fmt: skip
            if not _inside(at, out_size):
                continue
            for g in range(groups):
                rows, columns = slice(g * some, (g + 1) * some), slice(g * each, (g + 1) * each)
                part = x[_at(slice(None), rows, *o)] @ weight[_at(rows, slice(None), *k)]
                out[_at(slice(None), columns, *at)] += part
    return out


def pool(
    x: np.ndarray, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Per window: the largest value, its flat place, the sum, and how many elements are inside."""
    size = x.shape[2:]
    shape, places = windows(size, kernel, stride, padding, dilation, ceil)
    top = np.full((*x.shape[:2], *shape), -np.inf)
    where = np.zeros((*x.shape[:2], *shape), np.int64)
    total, count = np.zeros_like(top), np.zeros_like(top)
    for o, _, at in places:
        if not _inside(at, size):
            continue
        here, value = _at(slice(None), slice(None), *o), x[_at(slice(None), slice(None), *at)]
        larger = (value > top[here]) | (np.isnan(value) & ~np.isnan(top[here]))
        where[here] = np.where(larger, np.ravel_multi_index(at, size), where[here])
        top[here] = np.where(larger, value, top[here])
        total[here] += value
        count[here] += 1
    return top, where, total, count
