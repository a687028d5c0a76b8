"""The largest and smallest elements, and where they are."""

from __future__ import annotations

from typing import Any

from .._arguments import wrap_dim
from ..autograd import return_types
from ..autograd.errors import OpError, OpIndexError
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from ._arguments import settle, tensor

__all__ = ["aminmax", "argmax", "argmin", "max", "min"]

_call = {name: row.call for name, row in ROWS.items()}


def _along(t: Any) -> list[Any]:
    return [(t(2, 3),), (t(2, 3), 1), (t(2, 3, 4), -2, True), (t(), 0), (t.noncontig(3, 4), 0)]


def _arg(name: str) -> Any:
    def call(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any = None,
             axis: int | None = None, keepdims: bool | None = None) -> Tensor:  # fmt: skip
        input = tensor(name, input)
        return settle(name, _argument(name, input, axis if dim is None else dim,
                                      keepdims or keepdim), out)  # fmt: skip

    call.__name__ = call.__qualname__ = name
    what = "largest" if name == "argmax" else "smallest"
    call.__doc__ = f"""The index of the {what} element (the first, or the first nan).

    Along ``dim``, or into the flattened tensor.

    Raises:
        IndexError: there is nothing to choose from.

    Example:
        >>> tp.{name}(tp.tensor([3, 1, 2]))
        tensor({0 if name == "argmax" else 1})
    """
    return call


def _argument(name: str, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    shape = input._h.shape
    if dim is not None:
        dim = wrap_dim(name, dim, len(shape))
    _check_any(name, shape, dim)
    if input._dtype.kind == "bool":
        raise OpError(
            f"{name}: expected a numeric tensor, got {input._dtype}; '{name}' is not implemented "
            "for 'Bool': convert it with .int()",
            op=name,
        )
    return _call[name](input, dim if shape else None, keepdim)


def _check_any(name: str, shape: Any, dim: int | None) -> None:
    if 0 in (shape if dim is None else shape[dim : dim + 1]):
        raise OpIndexError(
            f"{name}: expected reduction dim {'to be specified' if dim is None else dim} for an "
            f"input of shape {tuple(shape)} to have non-zero size; there is no largest or "
            "smallest element of none",
            op=name,
        )


argmax = function(row="argmax", samples=_along, ref="argmax", dtypes="uint int float")(
    _arg("argmax")
)
argmin = function(row="argmin", samples=_along, ref="argmin", dtypes="uint int float")(
    _arg("argmin")
)


def _extreme(name: str, full: str, pair: str, of: Any) -> Any:
    """``max`` or ``min``: of all elements, along a dimension, or of two tensors."""

    def call(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None,
             out: Any = None, axis: Any = None, keepdims: bool | None = None) -> Any:  # fmt: skip
        input = tensor(name, input)
        dim = axis if dim is None else dim
        if type(dim) is Tensor:
            dim, other = None, dim
        if other is not None:
            return settle(name, _call[pair](input, other), out)
        if dim is None:
            return settle(name, _full(name, full, input), out)
        return settle(name, _dim(name, of, input, dim, bool(keepdims or keepdim)), out)

    call.__name__ = call.__qualname__ = name
    what = "largest" if name == "max" else "smallest"
    call.__doc__ = f"""The {what} element; along ``dim``: ``(values, indices)``; or of two tensors.

    ``{name}(input)``, ``{name}(input, dim, keepdim=False)`` and ``{name}(input, other)``. nan
    counts as {what}.

    Raises:
        RuntimeError: there is nothing to choose from, or the type is complex.

    Example:
        >>> tp.{name}(tp.tensor([[1, 5], [4, 2]]), 1).indices
        tensor({[1, 0] if name == "max" else [0, 1]})
    """
    return call


def _full(name: str, row: str, input: Tensor) -> Tensor:
    if 0 in input._h.shape:
        raise OpError(
            f"{name}: expected reduction dim to be specified for input.numel() == 0, got shape "
            f"{tuple(input._h.shape)}; specify the reduction dim with the 'dim' argument",
            op=name,
        )
    return _call[row](input, None, False)


def _dim(name: str, of: Any, input: Tensor, dim: Any, keepdim: bool) -> Any:
    dim = wrap_dim(name, dim, len(input._h.shape))
    _check_any(name, input._h.shape, dim)
    return of(*_call[f"{name}_dim"](input, dim, keepdim))


def _overloads(t: Any) -> list[Any]:
    return [*_along(t), (t(2, 3), t(3))]


max = function(samples=_overloads)(_extreme("max", "amax", "maximum", return_types.max))
min = function(samples=_overloads)(_extreme("min", "amin", "minimum", return_types.min))


@function(samples=lambda t: [(t(2, 3),), (t(2, 3), {"dim": 1}), (t(2, 3), {"dim": -2,
          "keepdim": True})])  # fmt: skip
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False,
            out: Any = None) -> Any:  # fmt: skip
    """The smallest and the largest element, over ``dim`` or over all: ``(min, max)``.

    Raises:
        RuntimeError: there is nothing to choose from, or the type is complex.

    Example:
        >>> tp.aminmax(tp.tensor([1, 3, 2])).max
        tensor(3)
    """
    input = tensor("aminmax", input)
    shape = input._h.shape
    dims = None if dim is None else (wrap_dim("aminmax", dim, len(shape)),)
    if 0 in (shape if dims is None else shape[dims[0] : dims[0] + 1]):
        raise OpError(
            f"aminmax: expected elements to choose from, got shape {tuple(shape)}; cannot compute "
            "aminmax over an empty dimension as the operation has no identity",
            op="aminmax",
        )
    dims = dims if shape else None
    found = (_call[row](input, dims, keepdim) for row in ("amin", "amax"))
    return settle("aminmax", return_types.aminmax(*found), out)
