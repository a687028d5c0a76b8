"""Families of operations: what rows of one kind have in common.

A family gives its rows parameter names, the default type rule, a call path, the public
signature, the way to call the array API's function, and the text that explains a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import calls, kinds, slow
from .errors import OpError, OpIndexError, OpTypeError, broadcast_error, check_devices
from .tensor import Tensor

if TYPE_CHECKING:
    from .registry import Row

__all__ = [
    "ARGREDUCE", "BINARY", "COMPARE", "GENERIC", "LISTS", "REDUCE", "SCAN", "TERNARY", "UNARY",
    "VIEW", "Family", "dims_of",
]  # fmt: skip


class Family:
    """What rows of one kind share; ``samples`` names the sample maker of the conformance suite."""

    def __init__(
        self,
        name: str,
        *,
        inputs: tuple[str, ...] = (),
        attrs: tuple[str, ...] = (),
        dtype: Any = None,
        path: Callable[[Row], Callable[..., Any]],
        public: Callable[[Row], Callable[..., Any]] | None = None,
        from_xp: Callable[[Any, Row], Callable[..., Any]] | None = None,
        elementwise: bool = False,
        inplace: bool = False,
        view: bool = False,
    ) -> None:
        self.name, self.inputs, self.attrs, self.dtype = name, inputs, attrs, dtype
        self.path, self._public, self._from_xp = path, public, from_xp
        self.elementwise, self.inplace, self.view = elementwise, inplace, view

    def build(self, row: Row) -> None:
        """Make the row's kernel table, type table and core function."""
        row.kernels = calls.KernelTable(row.name)
        row.dtypes = row.dtype.exact if row.dtype is not None else {}
        row.call = self.path(row)
        _name(row.call, row)

    def public(self, row: Row) -> Callable[..., Any]:
        """The function that users call: the core itself, or a wrapper that tidies arguments."""
        if self._public is None:
            return row.call
        return _name(self._public(row), row)

    def from_xp(self, function: Any, row: Row) -> Callable[..., Any]:
        """An array API function in the calling convention of the family's kernels."""
        return function if self._from_xp is None else self._from_xp(function, row)

    def explain(self, row: Row, args: tuple[Any, ...]) -> str | None:
        """What is wrong with the arguments, as far as the family knows."""
        if self.elementwise:
            return broadcast_error([x._h.shape for x in args if type(x) is Tensor])
        return None

    def __repr__(self) -> str:
        return self.name


def _name(function: Callable[..., Any], row: Row) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = row.name
    function.__doc__ = f"{row.name}({', '.join(row.inputs + row.attrs)}): see the op reference."
    return function


# --- elementwise ------------------------------

UNARY = Family(
    "UNARY", inputs=("x",), dtype=kinds.DEFAULT, path=calls.unary, elementwise=True, inplace=True
)
BINARY = Family(
    "BINARY", inputs=("x", "y"), dtype=kinds.DEFAULT, path=calls.binary, elementwise=True,
    inplace=True,
)  # fmt: skip
COMPARE = Family(
    "COMPARE", inputs=("x", "y"), dtype=kinds.ALWAYS_BOOL, path=calls.binary, elementwise=True,
    inplace=True,
)  # fmt: skip


def _ternary(row: Row) -> Callable[..., Any]:
    """``op(x, y, z)``, all promoted together; for rows with two inputs and attributes too."""

    def call(*values: Any) -> Any:
        device = next((x._device for x in values if type(x) is Tensor), None)
        values = tuple(slow.operand(row, x, device) for x in values)
        check_devices(row.name, values)
        values, dtype = slow.promote_all(row, values)
        return slow.numbers(row, values, dtype)

    return call


TERNARY = Family(
    "TERNARY", inputs=("x", "y", "z"), dtype=kinds.DEFAULT, path=_ternary, elementwise=True
)


# --- reductions ------------------------------


def dims_of(name: str, dim: Any, ndim: int) -> tuple[int, ...] | None:
    """Dimensions as sorted non-negative ints; None for all of them.

    Raises:
        IndexError: a dimension is out of range.
        RuntimeError: a dimension is named twice.
        TypeError: a dimension is no whole number.
    """
    if dim is None:
        return None
    rank = ndim or 1
    dims = (dim,) if not isinstance(dim, (tuple, list)) else dim
    found = []
    for d in dims:
        if not hasattr(d, "__index__"):
            raise OpTypeError(
                f"{name}: expected dim to be an int or several, got {d!r}; pass dim=0", op=name
            )
        d = d.__index__()
        if not -rank <= d < rank:
            raise OpIndexError(
                f"{name}: expected a dimension in [{-rank}, {rank - 1}], got {d}; the tensor has "
                f"{ndim} dimensions: Dimension out of range",
                op=name,
            )
        found.append(d % rank)
    if len(set(found)) != len(found):
        raise OpError(
            f"{name}: expected each dimension once, got {tuple(dims)}; dim appears multiple times "
            "in the list of dims",
            op=name,
        )
    return tuple(sorted(found)) if ndim else ()


def _reduce_public(row: Row) -> Callable[..., Any]:
    core, name = row.call, row.name

    def call(
        input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None
    ) -> Any:
        if type(input) is not Tensor:
            input = slow._tensor(row, "input", input)
        if dtype is not None:
            input = slow.cast(input, dtype)
        if dim is not None:
            dim = dims_of(name, dim, len(input._h.shape)) or None
        result = core(input, dim, keepdim)
        if dtype is not None and result._dtype is not dtype:
            result = slow.cast(result, dtype)  # a sum of int32 is int64, unless asked otherwise
        return result if out is None else slow.write_out(name, out, result)

    return call


def _reduce_xp(function: Any, row: Row) -> Callable[..., Any]:
    return lambda x, dims, keepdim: function(x, axis=dims, keepdims=keepdim)


REDUCE = Family(
    "REDUCE", inputs=("x",), attrs=("dims", "keepdim"), dtype=kinds.DEFAULT, path=calls.reduce,
    public=_reduce_public, from_xp=_reduce_xp,
)  # fmt: skip

ARGREDUCE = Family(
    "ARGREDUCE", inputs=("x",), attrs=("dim", "keepdim"), path=calls.generic,
    from_xp=lambda function, row: lambda x, dim, keepdim: function(x, axis=dim, keepdims=keepdim),
)  # fmt: skip

SCAN = Family(
    "SCAN", inputs=("x",), attrs=("dim",), path=calls.generic,
    # Of a 0-d tensor every scan is the tensor itself; the standard's scans refuse it.
    from_xp=lambda function, row: lambda x, dim: function(x, axis=dim) if x.ndim else x,
)  # fmt: skip

# --- everything else ------------------------------

VIEW = Family("VIEW", inputs=("x",), attrs=("attribute",), path=calls.view, view=True)
GENERIC = Family("GENERIC", path=calls.generic)
LISTS = Family("LISTS", inputs=("*tensors",), path=calls.generic)
