"""Copies of a tensor with one of its views replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._arguments import finish, wrap_dim
from ..autograd.errors import OpError, check_devices
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from .scatter import REDUCTIONS, scatter_reduce, slices_of
from .split import as_strided, diagonal, narrow, select
from .view import expand

__all__: list[str] = []

_clone, _index = ROWS["clone"].call, ROWS["index"].call


def _replaced(name: str, input: Tensor, src: Tensor, look: Callable[[Tensor], Tensor]) -> Tensor:
    """A copy of ``input``, with ``src`` written into the view that ``look`` gives."""
    check_devices(name, (input, src))
    out = _clone(input)
    target = look(out)
    if target._h.shape != src._h.shape:
        raise OpError(
            f"{name}: expected src of shape {tuple(target._h.shape)}, got {tuple(src._h.shape)}; "
            "expected src to have a size equal to the slice of self",
            op=name,
        )
    target.copy_(src)
    return out


@function(samples=lambda t: [(t(3, 4), t(4), 0, 1), (t(3, 4), t(3), -1, -2)])
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of ``input`` with ``src`` in place of ``input.select(dim, index)``."""
    return _replaced("select_scatter", input, src, lambda x: select(x, dim, index))


@function(samples=lambda t: [(t(4, 3), t(2, 3), 0, 1, 3), (t(3, 4), t(3, 2), 1, 0, None, 2)])
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None,
    step: int = 1,
) -> Tensor:  # fmt: skip
    """A copy of ``input`` with ``src`` in place of a slice of one dimension."""
    at = wrap_dim("slice_scatter", dim, len(input._h.shape))
    part = (*(slice(None),) * at, slice(start, end, step), ...)
    return _replaced("slice_scatter", input, src, lambda x: _index(x, part))


@function(samples=lambda t: [(t(3, 3), t(3)), (t(3, 4), t(3), 1)])
def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """A copy of ``input`` with ``src`` in place of a diagonal."""
    return _replaced("diagonal_scatter", input, src, lambda x: diagonal(x, offset, dim1, dim2))


@function(samples=lambda t: [(t(6), t(2, 2), (2, 2), (2, 1)), (t(6), t(2), (2,), (2,), 1)])
def as_strided_scatter(
    input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Tensor:
    """A copy of ``input`` with ``src`` in place of ``input.as_strided(size, stride, offset)``."""
    offset = storage_offset or 0
    return _replaced(
        "as_strided_scatter", input, src, lambda x: as_strided(x, size, stride, offset)
    )


@function(samples=lambda t: [(t(4, 3), 0, 1, 2)])
def narrow_copy(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A copy of ``input.narrow(dim, start, length)``."""
    return _clone(narrow(input, dim, start, length))


@function(
    inplace=True,
    samples=lambda t: [
        (t.pos(3, 4), 0, t.int((5,), 0, 3), t.pos(5, 4), "prod"),
        (t(3, 4), 1, t.int((2,), 0, 4), t(3, 2), "amax"),
    ],
)
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *,
    include_self: bool = True, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The slices of ``source`` combined by ``reduce`` with those at the positions of ``index``.

    ``reduce`` is ``"prod"``, ``"mean"``, ``"amax"`` or ``"amin"``.
    """
    if reduce not in REDUCTIONS[1:]:
        raise OpError(
            f"index_reduce: expected one of {REDUCTIONS[1:]}, got {reduce!r}; reduce "
            "argument must be either prod, mean, amax or amin"
        )
    x, at, found, values = slices_of("index_reduce", input, dim, index, source)
    shape = tuple(values._h.shape)
    spread = found.view((1,) * at + (-1,) + (1,) * (len(shape) - at - 1))
    wide = expand(spread, shape)
    result = scatter_reduce(x, at, wide, values, reduce, include_self=include_self)
    return finish("index_reduce", result.reshape(tuple(input._h.shape)), out, input)


@function(namespace="Tensor", samples=lambda t: [(t(2, 3), (1, 3)), (t(2, 3), 3), (t(2), ())])
def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Summed up to a shape that broadcasts to this one: the inverse of ``expand``.

    Raises:
        RuntimeError: the shape does not broadcast to this one.
    """
    shape = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    own = tuple(self._h.shape)
    if not shape:
        return self.sum()
    lead = len(own) - len(shape)
    pairs = zip(shape, own[max(lead, 0) :], strict=False)
    if lead < 0 or any(wanted not in (1, have) for wanted, have in pairs):
        raise OpError(
            f"sum_to_size: expected a shape that broadcasts to {own}, got {shape}; size is not "
            "expandable to the size of the tensor",
            op="sum_to_size",
        )
    dims = [*range(lead), *(lead + d for d, wanted in enumerate(shape) if wanted != own[lead + d])]
    return self.sum(dims, keepdim=True).view(shape) if dims else self
