"""Convolution and its two derivatives for NumPy-like array modules.

All are matrix products over *columns*: for a block of outputs, the inputs under every kernel
position as a matrix of shape (channels * kernel, block). Two choices make that fast. The images
come last, as (channels, *size, images): then columns are copied in long runs even where images
are small. And a block of columns is small enough to stay in the cache from the copy to the
product. The number of spatial dimensions is that of ``stride``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

from .base import Kernel

__all__ = ["kernels"]

Sizes = tuple[int, ...]
Block = tuple[slice, ...]  # one slice per spatial dimension of the output

_EVERY = slice(None)


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

    def under(self, block: Block) -> tuple[slice, ...]:
        """The part of the padded input that some of the outputs are made from."""
        return tuple(
            slice(b.start * s, (b.stop - 1) * s + (k - 1) * d + 1)
            for k, d, s, b in zip(self.kernel, self.dilation, self.stride, block, strict=True)
        )


def _geometry(
    size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> _Geometry:
    out = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )
    return _Geometry(kernel, stride, padding, dilation, groups, size, out)


def _chunks(count: int, step: int) -> list[slice]:
    return [slice(at, min(at + step, count)) for at in range(0, count, step)]


def _blocks(out: Sizes, images: int, depth: int, elements: int) -> tuple[int, list[Block]]:
    """How to cut up the work: so many images at a time, and these parts of their outputs.

    A block has about ``elements`` in columns of length ``depth``. Images are cut up before they
    are laid out last, or the runs to copy would be short.
    """
    wanted = min(max(elements // max(depth, 1), 256), 8192)
    axis = 0
    while axis < len(out) - 1 and math.prod(out[axis + 1 :]) > wanted:
        axis += 1
    inner = math.prod(out[axis + 1 :])
    some = max(min(images, wanted // inner), 1)
    rows = max(wanted // (inner * some), 1)
    lists = [
        *(_chunks(n, 1) for n in out[:axis]), _chunks(out[axis], rows),
        *([slice(0, n)] for n in out[axis + 1 :]),
    ]  # fmt: skip
    return some, list(product(*lists))


class _Convolution:
    """The kernels for one array module; ``elements`` is about how many a block of columns has."""

    def __init__(self, xp: Any, elements: int) -> None:
        self.xp, self.elements = xp, elements

    # --- layouts ----------------------------------------------------------------------------------
    def _images_last(self, x: Any, where: _Geometry | None = None) -> Any:
        """(N, C, *size) as (C, *size, N), with a border of zeros if a geometry is given."""
        turned = x.transpose(*range(1, x.ndim), 0)
        if where is None or not any(where.padding):
            return self.xp.ascontiguousarray(turned)
        out = self.xp.zeros((x.shape[1], *where.padded, x.shape[0]), x.dtype)
        out[(_EVERY, *where.inner)] = turned
        return out

    def _windows(self, padded: Any, where: _Geometry) -> Any:
        """A view of the padded input, shape (C, *kernel, *out, N)."""
        channels, *spatial, images = padded.strides
        steps = [s * d for s, d in zip(spatial, where.dilation, strict=True)]
        strides = [s * t for s, t in zip(spatial, where.stride, strict=True)]
        shape = (padded.shape[0], *where.kernel, *where.out, padded.shape[-1])
        return self.xp.lib.stride_tricks.as_strided(
            padded, shape, (channels, *steps, *strides, images)
        )

    def _columns(self, x: Any, where: _Geometry) -> Iterator[tuple[slice, Block, Any]]:
        """Images, the part of their outputs, and columns (groups, C / groups * kernel, block)."""
        depth = x.shape[1] // where.groups * math.prod(where.kernel)
        some, blocks = _blocks(where.out, x.shape[0], depth * where.groups, self.elements)
        before, buffer = (_EVERY,) * (1 + len(where.kernel)), None
        for images in _chunks(x.shape[0], some):
            windows = self._windows(self._images_last(x[images], where), where)
            for block in blocks:
                part = windows[(*before, *block)]
                if buffer is None or buffer.shape != part.shape:
                    buffer = self.xp.empty(part.shape, x.dtype)
                buffer[...] = part
                yield images, block, buffer.reshape(where.groups, depth, -1)

    def _product(self, x: Any, y: Any) -> Any:
        """Matrix products, one for each group."""
        if x.shape[0] == 1:
            return self.xp.dot(x[0], y[0])[None]
        if x.shape[2] == 1:
            return x * y
        return self.xp.matmul(x, y)

    # --- kernels ----------------------------------------------------------------------------------
    def forward(
        self, x: Any, weight: Any, bias: Any, stride: Sizes, padding: Sizes, dilation: Sizes,
        groups: int,
    ) -> Any:  # fmt: skip
        """``x`` (N, C, *size), ``weight`` (O, C / groups, *kernel), ``bias`` (O) or None."""
        xp, dtype = self.xp, x.dtype
        x, weight = _wide(xp, x), _wide(xp, weight)
        where = _geometry(x.shape[2:], weight.shape[2:], stride, padding, dilation, groups)
        outputs, rank = weight.shape[0], len(where.out)
        matrix = weight.reshape(groups, outputs // groups, -1)
        offset = None if bias is None else _wide(xp, bias).reshape(-1, *(1,) * rank)
        if where.pointwise and groups == 1:
            flat = xp.matmul(matrix, x.reshape(*x.shape[:2], math.prod(where.out)))
            out = flat.reshape(x.shape[0], outputs, *where.out)
            if offset is not None:
                out += offset
            return out.astype(dtype, copy=False)
        out = xp.empty((x.shape[0], outputs, *where.out), x.dtype)
        turned = out.transpose(*range(1, rank + 2), 0)
        for images, block, columns in self._columns(x, where):
            target = turned[(_EVERY, *block, images)]
            found = self._product(matrix, columns).reshape(target.shape)
            if offset is not None:
                found += offset[..., None]
            target[...] = found
        return out.astype(dtype, copy=False)

    def weight(
        self, x: Any, y: Any, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
        groups: int,
    ) -> Any:  # fmt: skip
        """The gradient of the weight, from the input and the gradient of the output."""
        xp, dtype = self.xp, x.dtype
        x, y = _wide(xp, x), _wide(xp, y)
        where = _geometry(x.shape[2:], kernel, stride, padding, dilation, groups)
        where = where._replace(out=y.shape[2:])  # smaller, where a transposed one was padded
        outputs, depth = y.shape[1] // groups, x.shape[1] // groups
        shape = (y.shape[1], depth, *kernel)
        if where.pointwise and groups == 1:
            return self._pointwise_weight(x, y).reshape(shape).astype(dtype, copy=False)
        total = xp.zeros((groups, depth * math.prod(kernel), outputs), x.dtype)
        at, turned = None, y
        for images, block, columns in self._columns(x, where):
            if images is not at:
                at, turned = images, self._images_last(y[images])
            rows = turned[(_EVERY, *block)].reshape(groups, outputs, -1)
            total += self._product(columns, rows.swapaxes(1, 2))
        return total.swapaxes(1, 2).reshape(shape).astype(dtype, copy=False)

    def _pointwise_weight(self, x: Any, y: Any) -> Any:
        total = self.xp.zeros((y.shape[1], x.shape[1]), x.dtype)
        for image, gradient in zip(x, y, strict=True):
            total += self.xp.dot(gradient.reshape(y.shape[1], -1), image.reshape(x.shape[1], -1).T)
        return total

    def input(
        self, y: Any, weight: Any, size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
        groups: int,
    ) -> Any:  # fmt: skip
        """The gradient of the input, or the transposed convolution of ``y``."""
        xp, dtype = self.xp, y.dtype
        y, weight = _wide(xp, y), _wide(xp, weight)
        where = _geometry(size, weight.shape[2:], stride, padding, dilation, groups)
        if where.out == y.shape[2:] and _flips(where, weight):
            found = self._flipped(y, weight, where)
        else:
            found = self._scattered(y, weight, where._replace(out=y.shape[2:]))
        return found.astype(dtype, copy=False)

    def _flipped(self, y: Any, weight: Any, where: _Geometry) -> Any:
        groups, outputs, depth = where.groups, weight.shape[0], weight.shape[1]
        split = weight.reshape(groups, outputs // groups, depth, *where.kernel)
        flip = (_EVERY,) * 3 + (slice(None, None, -1),) * len(where.kernel)
        turned = self.xp.ascontiguousarray(split.swapaxes(1, 2)[flip])
        turned = turned.reshape(groups * depth, -1, *where.kernel)
        padding = tuple(
            d * (k - 1) - p
            for d, k, p in zip(where.dilation, where.kernel, where.padding, strict=True)
        )
        return self.forward(y, turned, None, where.stride, padding, where.dilation, groups)

    def _scattered(self, y: Any, weight: Any, where: _Geometry) -> Any:
        xp, groups = self.xp, where.groups
        images, channels = y.shape[0], weight.shape[1] * groups
        matrix = weight.reshape(groups, weight.shape[0] // groups, -1).swapaxes(1, 2)
        out = xp.empty((images, channels, *where.size), y.dtype)
        depth = channels * math.prod(where.kernel)
        some, blocks = _blocks(where.out, images, depth, self.elements)
        for chunk in _chunks(images, some):
            turned = self._images_last(y[chunk])
            padded = xp.zeros((channels, *where.padded, turned.shape[-1]), y.dtype)
            for block in blocks:
                part = turned[(_EVERY, *block)]
                rows = part.reshape(groups, weight.shape[0] // groups, -1)
                columns = self._product(matrix, rows)
                columns = columns.reshape(channels, *where.kernel, *part.shape[1:])
                target = padded[(_EVERY, *where.under(block))]
                target += self._summed(columns, where, 1)
            inner = padded[(_EVERY, *where.inner)]
            out[chunk] = inner.transpose(inner.ndim - 1, *range(inner.ndim - 1))
        return out

    def _summed(self, columns: Any, where: _Geometry, lead: int) -> Any:
        """Columns (..., *kernel, *block, ...) after ``lead`` dimensions, added up where they meet.

        One dimension after the other, from the last: each has fewer left to add up.
        """
        rank = len(where.kernel)
        for axis in reversed(range(rank)):
            k, s, d = where.kernel[axis], where.stride[axis], where.dilation[axis]
            at, after = lead + axis, lead + 2 * axis + 1  # of its kernel and of its outputs
            shape = columns.shape
            n, rest = shape[after], shape[after + 1 :]
            before = (*shape[:at], *shape[at + 1 : after])
            if n == 1 and axis == 0 and d == 1:  # a row of outputs: nothing meets
                columns = columns.reshape(*before, k, *rest)
                continue
            total = self.xp.zeros((*before, (k - 1) * d + (n - 1) * s + 1, *rest), columns.dtype)
            for i in range(k):
                place = slice(i * d, i * d + (n - 1) * s + 1, s)
                part = total[(*(_EVERY,) * (after - 1), place)]
                part += columns[(*(_EVERY,) * at, i)]
            columns = total
        return columns

    # --- columns as a result ----------------------------------------------------------------------
    def unfold(self, x: Any, kernel: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes) -> Any:
        """Columns of every image: (N, C, *size) to (N, C * kernel, windows)."""
        where = _geometry(x.shape[2:], kernel, stride, padding, dilation, 1)
        windows = self._windows(self._images_last(x, where), where)
        last = windows.ndim - 1
        columns = self.xp.ascontiguousarray(windows.transpose(last, *range(last)))
        return columns.reshape(x.shape[0], x.shape[1] * math.prod(kernel), math.prod(where.out))

    def fold(
        self, columns: Any, size: Sizes, kernel: Sizes, dilation: Sizes, padding: Sizes,
        stride: Sizes,
    ) -> Any:  # fmt: skip
        """The transpose of :meth:`unfold`: sums what lands on one element."""
        where = _geometry(size, kernel, stride, padding, dilation, 1)
        images, channels = columns.shape[0], columns.shape[1] // math.prod(kernel)
        split = columns.reshape(images, channels, *kernel, *where.out)
        padded = self.xp.zeros((images, channels, *where.padded), columns.dtype)
        whole = tuple(slice(0, n) for n in where.out)
        padded[(_EVERY, _EVERY, *where.under(whole))] = self._summed(split, where, 2)
        return self.xp.ascontiguousarray(padded[(_EVERY, _EVERY, *where.inner)])


def _flips(where: _Geometry, weight: Any) -> bool:
    """Whether a convolution with the flipped kernel gives the same, and faster.

    It copies columns of ``y`` where the other way adds up columns of the input, which is slower
    per element; but it may have more columns. The weights below were measured.
    """
    reach = tuple(d * (k - 1) for d, k in zip(where.dilation, where.kernel, strict=True))
    fits = all(s == 1 for s in where.stride) and all(
        p <= r for p, r in zip(where.padding, reach, strict=True)
    )
    outputs, inputs = weight.shape[0] // where.groups, weight.shape[1]
    flipped = math.prod(where.size) * outputs * (inputs / 40 + 0.2)
    scattered = math.prod(where.out) * inputs * (outputs / 40 + 0.8)
    return fits and flipped <= scattered


def _wide(xp: Any, x: Any) -> Any:
    """Half precision as float32, to add up in; everything else as it is."""
    return x.astype(xp.float32) if x.dtype.itemsize == 2 and x.dtype.kind in "fV" else x


def kernels(xp: Any, elements: int = 1 << 17) -> dict[str, Kernel]:
    """All kernels of this file; a GPU wants more ``elements`` in a block than a cache holds."""
    convolution = _Convolution(xp, elements)
    return {
        "convolution": convolution.forward,
        "convolution_weight": convolution.weight,
        "convolution_input": convolution.input,
        "im2col": convolution.unfold,
        "col2im": convolution.fold,
    }
