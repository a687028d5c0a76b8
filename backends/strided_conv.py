"""Convolution and its two derivatives for NumPy-like array modules.

Each is matrix products over *columns*: for a block of images and output rows, the values under
every kernel position as one matrix of shape (channels x kernel, block). Blocks keep it in cache.
The number of spatial dimensions is that of ``stride``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from .base import Kernel

__all__ = ["kernels"]

Sizes = tuple[int, ...]


class _Geometry(NamedTuple):
    """Where the windows of a convolution lie."""

    kernel: Sizes
    stride: Sizes
    padding: Sizes
    dilation: Sizes
    groups: int
    size: Sizes  # spatial, of the input
    out: Sizes  # spatial, of the output

    @property
    def padded(self) -> Sizes:
        """The spatial sizes of the padded input."""
        return tuple(n + 2 * p for n, p in zip(self.size, self.padding, strict=True))

    @property
    def pointwise(self) -> bool:
        """Whether the columns are the input itself."""
        return self.size == self.out and all(k == 1 for k in self.kernel)

    @property
    def inner(self) -> tuple[slice, ...]:
        """Where the input lies in the padded input."""
        return tuple(slice(p, p + n) for n, p in zip(self.size, self.padding, strict=True))

    def under(self, offset: Sizes, first: int, rows: int) -> tuple[slice, ...]:
        """The padded input under one kernel position, for some rows of the output."""
        counts, starts = (rows, *self.out[1:]), (first, *(0,) * (len(self.out) - 1))
        return tuple(
            slice(i * d + a * s, i * d + (a + n - 1) * s + 1, s)
            for i, d, a, n, s in zip(
                offset, self.dilation, starts, counts, self.stride, strict=True
            )
        )


def _geometry(
    x_size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> _Geometry:
    out = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(x_size, kernel, stride, padding, dilation, strict=True)
    )
    return _Geometry(kernel, stride, padding, dilation, groups, x_size, out)


def _blocks(where: _Geometry, images: int, channels: int, limit: int) -> Iterator[Sizes]:
    """(first image, images, first row, rows) such that the columns of each fit the limit."""
    row = channels * math.prod(where.kernel) * math.prod(where.out[1:])
    image = row * where.out[0]
    rows = where.out[0] if image <= limit else max(limit // max(row, 1), 1)
    step = max(limit // max(image, 1), 1)
    if where.pointwise and math.prod(where.out) >= 32:
        rows, step = where.out[0], 1
    for n in range(0, images, step):
        for r in range(0, where.out[0], rows):
            yield n, min(step, images - n), r, min(rows, where.out[0] - r)


class _Convolution:
    """The three kernels for one array module; ``limit`` is the size of a block in elements."""

    def __init__(self, xp: Any, limit: int) -> None:
        self.xp, self.limit = xp, limit

    # --- columns ------------------------------------------------------------------------------
    def _pad(self, x: Any, where: _Geometry) -> Any:
        if not any(where.padding):
            return x
        out = self.xp.zeros((*x.shape[:2], *where.padded), x.dtype)
        out[(slice(None), slice(None), *where.inner)] = x
        return out

    def _columns(self, x: Any, where: _Geometry) -> Iterator[tuple[Sizes, Any]]:
        """Each block with its columns, shape (groups, channels * kernel, block)."""
        images, channels = x.shape[:2]
        groups, depth = where.groups, channels // where.groups * math.prod(where.kernel)
        at, padded, buffer = -1, x, None
        for block in _blocks(where, images, channels, self.limit):
            n, count, r, rows = block
            if where.pointwise and count == 1:
                yield block, x[n].reshape(groups, depth, -1)
                continue
            if n != at:
                at, padded = n, self._pad(x[n : n + count], where)
            shape = (channels, *where.kernel, count, rows, *where.out[1:])
            if buffer is None or buffer.shape != shape:
                buffer = self.xp.empty(shape, x.dtype)
            buffer[...] = self._windows(padded, where, shape, r)
            yield block, buffer.reshape(groups, depth, -1)

    def _windows(self, padded: Any, where: _Geometry, shape: Sizes, first: int) -> Any:
        """A view of the padded input, shape (channels, *kernel, images, rows, *rest)."""
        images, channels, *spatial = padded.strides
        steps = [s * d for s, d in zip(spatial, where.dilation, strict=True)]
        strides = [s * t for s, t in zip(spatial, where.stride, strict=True)]
        start = padded[:, :, first * where.stride[0] :]
        return self.xp.lib.stride_tricks.as_strided(
            start, shape, (channels, *steps, images, *strides)
        )

    def _part(self, y: Any, block: Sizes, groups: int) -> Any:
        """A block of the output side, shape (groups, channels / groups, block)."""
        n, count, r, rows = block
        part = y[n : n + count, :, r : r + rows]
        if count > 1:
            part = part.swapaxes(0, 1)
        return part.reshape(groups, y.shape[1] // groups, -1)

    # --- kernels ------------------------------------------------------------------------------
    def forward(
        self, x: Any, weight: Any, bias: Any, stride: Sizes, padding: Sizes, dilation: Sizes,
        groups: int,
    ) -> Any:  # fmt: skip
        """``x`` (N, C, *size), ``weight`` (O, C / groups, *kernel), ``bias`` (O) or None."""
        xp, dtype = self.xp, x.dtype
        x, weight = _wide(xp, x), _wide(xp, weight)
        where = _geometry(x.shape[2:], weight.shape[2:], stride, padding, dilation, groups)
        outputs = weight.shape[0]
        out = xp.empty((x.shape[0], outputs, *where.out), x.dtype)
        matrix = weight.reshape(groups, outputs // groups, -1)
        offset = None if bias is None else _wide(xp, bias).reshape(-1, *(1,) * len(where.out))
        for (n, count, r, rows), columns in self._columns(x, where):
            found = xp.matmul(matrix, columns).reshape(outputs, count, rows, *where.out[1:])
            target = out[n : n + count, :, r : r + rows]
            found = found.swapaxes(0, 1)
            if offset is None:
                target[...] = found
            else:
                xp.add(found, offset, out=target)
        return out.astype(dtype, copy=False)

    def weight(
        self, x: Any, y: Any, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
        groups: int,
    ) -> Any:  # fmt: skip
        """The gradient of the weight, from the input and the gradient of the output."""
        xp, dtype = self.xp, x.dtype
        x, y = _wide(xp, x), _wide(xp, y)
        where = _geometry(x.shape[2:], kernel, stride, padding, dilation, groups)
        depth = x.shape[1] // groups
        total = xp.zeros((groups, y.shape[1] // groups, depth * math.prod(kernel)), x.dtype)
        for block, columns in self._columns(x, where):
            total += xp.matmul(self._part(y, block, groups), columns.swapaxes(1, 2))
        return total.reshape(y.shape[1], depth, *kernel).astype(dtype, copy=False)

    def input(
        self, y: Any, weight: Any, size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
        groups: int,
    ) -> Any:  # fmt: skip
        """The gradient of the input, or the transposed convolution of ``y``."""
        xp, dtype = self.xp, y.dtype
        y, weight = _wide(xp, y), _wide(xp, weight)
        where = _geometry(size, weight.shape[2:], stride, padding, dilation, groups)
        if self._flips(where, weight, y):
            found = self._flipped(y, weight, where)
        else:
            found = self._scattered(y, weight, where)
        return found.astype(dtype, copy=False)

    @staticmethod
    def _flips(where: _Geometry, weight: Any, y: Any) -> bool:
        """Whether a convolution with the flipped kernel does the same, and less work."""
        reach = tuple(d * (k - 1) for d, k in zip(where.dilation, where.kernel, strict=True))
        return (
            all(s == 1 for s in where.stride)
            and all(p <= r for p, r in zip(where.padding, reach, strict=True))
            and where.out == y.shape[2:]
            and weight.shape[0] <= weight.shape[1] * where.groups
        )

    def _flipped(self, y: Any, weight: Any, where: _Geometry) -> Any:
        groups, outputs, depth = where.groups, weight.shape[0], weight.shape[1]
        split = weight.reshape(groups, outputs // groups, depth, *where.kernel)
        flip = (slice(None),) * 3 + (slice(None, None, -1),) * len(where.kernel)
        turned = split.swapaxes(1, 2)[flip].reshape(groups * depth, -1, *where.kernel)
        padding = tuple(
            d * (k - 1) - p
            for d, k, p in zip(where.dilation, where.kernel, where.padding, strict=True)
        )
        return self.forward(y, turned, None, where.stride, padding, where.dilation, groups)

    def _scattered(self, y: Any, weight: Any, where: _Geometry) -> Any:
        xp, groups = self.xp, where.groups
        images, channels = y.shape[0], weight.shape[1] * groups
        matrix = weight.reshape(groups, weight.shape[0] // groups, -1).swapaxes(1, 2)
        padded = xp.zeros((images, channels, *where.padded), y.dtype)
        every = (slice(None),)
        for block in _blocks(where, images, channels, self.limit):
            n, count, r, rows = block
            columns = xp.matmul(matrix, self._part(y, block, groups))
            columns = columns.reshape(channels, *where.kernel, count, rows, *where.out[1:])
            part = padded[n : n + count]
            for offset in _offsets(where.kernel):
                target = part[(*every * 2, *where.under(offset, r, rows))]
                target += columns[(*every, *offset)].swapaxes(0, 1)
        return self._crop(padded, where)

    def _crop(self, padded: Any, where: _Geometry) -> Any:
        if not any(where.padding):
            return padded
        return self.xp.ascontiguousarray(padded[(slice(None), slice(None), *where.inner)])

    def unfold(self, x: Any, kernel: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes) -> Any:
        """Columns of every image: (N, C, *size) to (N, C * kernel, windows)."""
        where = _geometry(x.shape[2:], kernel, stride, padding, dilation, 1)
        images, channels = x.shape[:2]
        shape = (channels, *kernel, images, *where.out)
        windows = self._windows(self._pad(x, where), where, shape, 0)
        rank = len(kernel)
        order = (rank + 1, *range(rank + 1), *range(rank + 2, 2 * rank + 2))
        columns = windows.transpose(order).reshape(
            images, channels * math.prod(kernel), math.prod(where.out)
        )
        return columns if columns.base is None else columns.copy()

    def fold(
        self, columns: Any, size: Sizes, kernel: Sizes, dilation: Sizes, padding: Sizes,
        stride: Sizes,
    ) -> Any:  # fmt: skip
        """The transpose of :meth:`unfold`: sums what lands on one element."""
        where = _geometry(size, kernel, stride, padding, dilation, 1)
        images, channels = columns.shape[0], columns.shape[1] // math.prod(kernel)
        split = columns.reshape(images, channels, *kernel, *where.out)
        padded = self.xp.zeros((images, channels, *where.padded), columns.dtype)
        every = (slice(None),) * 2
        for offset in _offsets(kernel):
            target = padded[(*every, *where.under(offset, 0, where.out[0]))]
            target += split[(*every, *offset)]
        return self._crop(padded, where)


def _offsets(kernel: Sizes) -> list[Sizes]:
    offsets: list[Sizes] = [()]
    for size in kernel:
        offsets = [(*offset, i) for offset in offsets for i in range(size)]
    return offsets


def _wide(xp: Any, x: Any) -> Any:
    """Half precision as float32, to add up in; everything else as it is."""
    return x.astype(xp.float32) if x.dtype.itemsize == 2 and x.dtype.kind in "fV" else x


def kernels(xp: Any, limit: int = 1 << 18) -> dict[str, Kernel]:
    """All kernels of this file; ``limit`` is how many elements a block of columns may have."""
    convolution = _Convolution(xp, limit)
    return {
        "convolution": convolution.forward,
        "convolution_weight": convolution.weight,
        "convolution_input": convolution.input,
        "im2col": convolution.unfold,
        "col2im": convolution.fold,
    }
