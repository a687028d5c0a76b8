"""Running sums, products and extremes, differences and integrals."""

from __future__ import annotations

from typing import Any

from .._arguments import wrap_dim
from ..autograd import return_types, slow
from ..autograd.errors import OpError
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from ..backends.dtypes import DType
from ._arguments import in_type, settle, tensor

__all__ = [
    "cummax", "cummin", "cumprod", "cumsum", "cumulative_trapezoid", "diff", "logcumsumexp",
    "trapezoid",
]  # fmt: skip

_call = {name: row.call for name, row in ROWS.items()}


def _samples(t: Any) -> list[Any]:
    return [(t(2, 3), 1), (t(2, 3, 4), -2), (t(), 0), (t(0, 2), 0), (t.noncontig(3, 4), 0)]


def _running(name: str, what: str) -> Any:
    def call(input: Tensor, dim: int, *, dtype: DType | None = None, out: Any = None) -> Tensor:
        input = tensor(name, input)
        dim = wrap_dim(name, dim, len(input._h.shape))
        if dtype is not None:
            input = slow.cast(input, dtype)
        return settle(name, in_type(_call[name](input, dim), dtype), out)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"""The running {what} along ``dim``; integers give int64.

    Example:
        >>> tp.{name}(tp.tensor([1, 2, 3]), 0)
        tensor({[1, 3, 6] if name == "cumsum" else [1, 2, 6]})
    """
    return call


cumsum = function(row="cumsum", inplace=True, samples=_samples, ref="cumsum")(
    _running("cumsum", "sum")
)
cumprod = function(row="cumprod", inplace=True, samples=_samples, ref="cumprod")(
    _running("cumprod", "product")
)


@function(row="logcumsumexp", samples=_samples)
def logcumsumexp(input: Tensor, dim: int, *, out: Any = None) -> Tensor:
    """``log(cumsum(exp(input), dim))`` without overflow.

    Example:
        >>> tp.logcumsumexp(tp.zeros(2), 0)
        tensor([0.0000, 0.6931])
    """
    input = tensor("logcumsumexp", input)
    dim = wrap_dim("logcumsumexp", dim, len(input._h.shape))
    return settle("logcumsumexp", _call["logcumsumexp"](input, dim), out)


def _extreme(name: str) -> Any:
    of = getattr(return_types, name)

    def call(input: Tensor, dim: int, *, out: Any = None) -> Any:
        input = tensor(name, input)
        dim = wrap_dim(name, dim, len(input._h.shape))
        return settle(name, of(*_call[name](input, dim)), out)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"""The running {name[3:]}imum along ``dim`` and where it was last met.

    Example:
        >>> tp.{name}(tp.tensor([1, 3, 2]), 0).values
        tensor({[1, 3, 3] if name == "cummax" else [1, 1, 1]})
    """
    return call


cummax = function(row="cummax", samples=_samples)(_extreme("cummax"))
cummin = function(row="cummin", samples=_samples)(_extreme("cummin"))


# --- differences and integrals -------------------------------------------------------------------


def _slice(input: Tensor, dim: int, start: int | None, stop: int | None) -> Tensor:
    part = (*(slice(None),) * dim, slice(start, stop))
    return _call["index"](input, part)


@function(samples=lambda t: [(t(4),), (t(2, 4), 2), (t(3, 2), 1, 0), (t(2, 3), 1, -1, t(2, 1),
          t(2, 2))])  # fmt: skip
def diff(input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None,
         append: Tensor | None = None, *, out: Any = None) -> Tensor:  # fmt: skip
    """The ``n``-th differences of neighbours along ``dim``; those of bools are unequal or not.

    Raises:
        RuntimeError: the tensor is 0-d, or ``n`` is negative.

    Example:
        >>> tp.diff(tp.tensor([1, 3, 6]))
        tensor([2, 3])
    """
    input = tensor("diff", input)
    if not input._h.shape:
        raise OpError("diff: expected at least one dimension, got a 0-d tensor; diff expects input "
                      "to be at least one-dimensional", op="diff")  # fmt: skip
    if n < 0:
        raise OpError(f"diff: expected n of 0 or more, got {n}; order must be non-negative",
                      op="diff")  # fmt: skip
    dim = wrap_dim("diff", dim, len(input._h.shape))
    parts = [x for x in (prepend, input, append) if x is not None]
    dtype = slow.result_type(*parts)
    found = parts[0] if len(parts) == 1 else _call["concat"]([slow.cast(x, dtype) for x in parts],
                                                             dim)  # fmt: skip
    if not n:
        return settle("diff", _call["clone"](found), out)
    step = _call["logical_xor" if dtype.kind == "bool" else "sub"]
    for _ in range(min(n, found._h.shape[dim])):
        found = step(_slice(found, dim, 1, None), _slice(found, dim, None, -1))
    return settle("diff", found, out)


def _spacing(name: str, y: Tensor, x: Any, dx: Any, dim: int) -> Any:
    """The widths of the intervals, ready to multiply with: a number or a tensor."""
    if x is not None and dx is not None:
        raise OpError(f"{name}: expected x or dx, got both", op=name)
    if x is None:
        return 1 if dx is None else dx
    if len(x._h.shape) == 1 and len(y._h.shape) > 1:
        if x._h.shape[0] != y._h.shape[dim]:
            raise OpError(
                f"{name}: expected one x value for each of the {y._h.shape[dim]} sample points, "
                f"got {x._h.shape[0]}; There must be one `x` value for each sample point",
                op=name,
            )
        x = x.reshape(tuple(-1 if d == dim else 1 for d in range(len(y._h.shape))))
    at = dim - len(y._h.shape) + len(x._h.shape)
    return _slice(x, at, 1, None) - _slice(x, at, None, -1)


def _trapezoids(name: str, y: Any, x: Any, dx: Any, dim: int) -> tuple[Any, int]:
    y = tensor(name, y, "y")
    dim = wrap_dim(name, dim, len(y._h.shape))
    widths = _spacing(name, y, x, dx, dim)
    heights = _slice(y, dim, 1, None) + _slice(y, dim, None, -1)
    areas = heights * widths / 2
    return areas, dim + len(areas._h.shape) - len(y._h.shape)


@function(
    aliases=("trapz",),
    method=False,
    samples=lambda t: [(t(4),), (t(2, 4), t(4)), (t(3, 2), {"dx": 2.0, "dim": 0})],
)
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None,
              dim: int = -1) -> Tensor:  # fmt: skip
    """The integral of ``y`` along ``dim`` by the trapezoidal rule, at points ``x`` or ``dx`` apart.

    Example:
        >>> tp.trapezoid(tp.tensor([1.0, 2.0, 3.0]))
        tensor(4.)
    """
    areas, dim = _trapezoids("trapezoid", y, x, dx, dim)
    return _call["sum"](areas, (dim,), False)


@function(method=False, samples=lambda t: [(t(4),), (t(2, 4), t(4)), (t(3, 2), {"dim": 0})])
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None,
                         dim: int = -1) -> Tensor:  # fmt: skip
    """The running integral of ``y`` along ``dim``; see :func:`trapezoid`.

    Example:
        >>> tp.cumulative_trapezoid(tp.tensor([1.0, 2.0, 3.0]))
        tensor([1.5000, 4.0000])
    """
    areas, dim = _trapezoids("cumulative_trapezoid", y, x, dx, dim)
    return _call["cumsum"](areas, dim)
