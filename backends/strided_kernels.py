"""Fast elementwise kernels and reductions for NumPy-like array modules, by op name.

``kernels(xp)`` serves NumPy and CuPy alike. float16 and bfloat16 sums, products and matrix
products accumulate in float32, as PyTorch's do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import strided_math, strided_order
from .base import Kernel
from .strided import elementwise, elementwise_unary

__all__ = ["into_kernels", "kernels", "normalised"]

# op name -> ufunc name
_BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "div": "true_divide",
    "maximum": "maximum", "minimum": "minimum", "fmax": "fmax", "fmin": "fmin",
    "atan2": "arctan2", "hypot": "hypot", "logaddexp2": "logaddexp2", "copysign": "copysign",
    "nextafter": "nextafter", "eq": "equal", "ne": "not_equal", "lt": "less",
    "le": "less_equal", "gt": "greater", "ge": "greater_equal",
    "logical_and": "logical_and", "logical_or": "logical_or", "logical_xor": "logical_xor",
    "bitwise_and": "bitwise_and", "bitwise_or": "bitwise_or", "bitwise_xor": "bitwise_xor",
    "gcd": "gcd", "lcm": "lcm",
}  # fmt: skip
_UNARY = {
    "neg": "negative", "abs": "absolute", "sqrt": "sqrt", "exp": "exp",
    "log": "log", "log2": "log2", "log10": "log10", "log1p": "log1p",
    "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin", "acos": "arccos",
    "atan": "arctan", "sinh": "sinh", "cosh": "cosh", "asinh": "arcsinh",
    "acosh": "arccosh", "atanh": "arctanh", "square": "square", "reciprocal": "reciprocal",
    "isnan": "isnan", "isinf": "isinf", "isfinite": "isfinite", "signbit": "signbit",
    "logical_not": "logical_not", "bitwise_not": "invert", "deg2rad": "deg2rad",
    "rad2deg": "rad2deg",
}  # fmt: skip

_BOOL_RESULT = frozenset(
    ("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "isnan",
     "isinf", "isfinite", "signbit", "logical_not")
)  # fmt: skip


def _elementwise(xp: Any) -> dict[str, Kernel]:
    found = {name: elementwise(getattr(xp, ufunc)) for name, ufunc in _BINARY.items()}
    found |= {name: elementwise_unary(getattr(xp, ufunc)) for name, ufunc in _UNARY.items()}
    return found


def into_kernels(xp: Any, refuse_zero: strided_math.Refusal | None = None) -> dict[str, Kernel]:
    """The elementwise kernels that take ``out`` last."""
    found = {name: k for name, k in _elementwise(xp).items() if name not in _BOOL_RESULT}
    return found | strided_math.into_kernels(xp, refuse_zero)


def _is_half(x: Any) -> bool:
    return x.dtype.itemsize == 2 and x.dtype.kind in "fV"


def _accumulate(xp: Any, ufunc: Any) -> Kernel:
    """``sum`` or ``prod`` over ``dims`` (None: all)."""
    reduce = ufunc.reduce

    def kernel(x: Any, dims: Any, keepdim: bool) -> Any:
        if x.dtype.itemsize == 2 and _is_half(x):
            return reduce(x, axis=dims, keepdims=keepdim, dtype=xp.float32, out=...).astype(x.dtype)
        return reduce(x, axis=dims, keepdims=keepdim, dtype=x.dtype, out=...)

    return kernel


def _reduce(xp: Any, ufunc: Any) -> Kernel:
    """``amax``, ``amin``, ``all``, ``any`` over ``dims`` (None: all)."""
    reduce = ufunc.reduce

    def kernel(x: Any, dims: Any, keepdim: bool) -> Any:
        return reduce(x, axis=dims, keepdims=keepdim, out=...)

    return kernel


def _mean(xp: Any) -> Kernel:
    add, prod = xp.add.reduce, _product

    def kernel(x: Any, dims: Any, keepdim: bool) -> Any:
        count = x.size if dims is None else prod([x.shape[d] for d in dims])
        total = xp.float32 if _is_half(x) else x.dtype
        found = add(x, axis=dims, keepdims=keepdim, dtype=total, out=...)
        xp.true_divide(found, count, out=found) if count else found.fill(xp.nan)
        return found.astype(x.dtype) if total is not x.dtype else found

    return kernel


def _spread(xp: Any) -> dict[str, Kernel]:
    """Variance and standard deviation in two passes."""
    mean = _mean(xp)

    def var(x: Any, dims: Any, correction: float, keepdim: bool) -> Any:
        half = x.dtype if _is_half(x) else None
        x = x.astype(xp.float32) if half is not None else x
        away = xp.subtract(x, mean(x, dims, True), out=...)
        if x.dtype.kind == "c":
            away = away.real**2 + away.imag**2
        else:
            xp.square(away, out=away)
        count = x.size if dims is None else _product([x.shape[d] for d in dims])
        found = xp.add.reduce(away, axis=dims, keepdims=keepdim, out=...)
        xp.true_divide(found, max(count - correction, 0), out=found)
        return found if half is None else found.astype(half)

    def std(x: Any, dims: Any, correction: float, keepdim: bool) -> Any:
        if x.dtype.itemsize == 2 and _is_half(x):
            found = var(x.astype(xp.float32), dims, correction, keepdim)
            return xp.sqrt(found, out=found).astype(x.dtype)
        found = var(x, dims, correction, keepdim)
        return xp.sqrt(found, out=found)

    return {"var": var, "std": std}


_SAFE = 60.0
"""Of numbers up to this the exponentials, and their sums, are finite also in float32."""


def normalised(xp: Any, total: Kernel) -> dict[str, Kernel]:
    """Softmax and its logarithm, in float32 for half precision; ``total`` is the sum's kernel."""
    top, bottom = xp.maximum.reduce, xp.minimum.reduce

    def wide(kernel: Any) -> Kernel:
        def widened(x: Any, dim: int) -> Any:
            if not x.size:
                return x.copy()
            dims = (dim,) if x.ndim else None
            if x.dtype.itemsize == 2:
                return kernel(x.astype(xp.float32), dims).astype(x.dtype)
            return kernel(x, dims)

        return widened

    def softmax(x: Any, dims: Any) -> Any:
        if x.size >= 1024 and top(x, axis=None) <= _SAFE:
            found = xp.exp(x)  # which saves the row maxima, half of the work
            sums = total(found, dims, True)
            if bottom(sums, axis=None) > 1e-6:  # nothing of a row's largest was lost
                found /= sums
                return found
        found = xp.subtract(x, top(x, axis=dims, keepdims=True), out=...)
        xp.exp(found, out=found)
        found /= total(found, dims, True)
        return found

    def log_softmax(x: Any, dims: Any) -> Any:
        found = xp.subtract(x, top(x, axis=dims, keepdims=True), out=...)
        found -= xp.log(total(xp.exp(found, out=...), dims, True))
        return found

    return {"softmax": wide(softmax), "log_softmax": wide(log_softmax)}


def _product(sizes: list[int]) -> int:
    count = 1
    for size in sizes:
        count *= size
    return count


def _matmul(xp: Any) -> Kernel:
    matmul = xp.matmul

    def kernel(x: Any, y: Any) -> Any:
        if x.dtype.itemsize == 2 and _is_half(x):
            return xp.asarray(matmul(x.astype(xp.float32), y.astype(xp.float32))).astype(x.dtype)
        if y.ndim == 2:
            if x.ndim == 2:
                return x.dot(y)  # the method: NumPy's function costs a Python frame
            if x.ndim > 2 and x.flags.c_contiguous:  # one product instead of one per matrix
                rows = x.reshape(-1, x.shape[-1]).dot(y) if x.size else matmul(x, y)
                return rows.reshape(*x.shape[:-1], y.shape[1])
        return xp.asarray(matmul(x, y))

    return kernel


def kernels(
    xp: Any, refuse_zero: strided_math.Refusal | None = None
) -> dict[str, Callable[..., Any]]:
    """All kernels of this file, bound to an array module."""
    return {
        **_elementwise(xp),
        "sum": _accumulate(xp, xp.add),
        "prod": _accumulate(xp, xp.multiply),
        "amax": _reduce(xp, xp.maximum),
        "amin": _reduce(xp, xp.minimum),
        "all": _reduce(xp, xp.logical_and),
        "any": _reduce(xp, xp.logical_or),
        "mean": _mean(xp),
        "matmul": _matmul(xp),
        **_spread(xp),
        **normalised(xp, _accumulate(xp, xp.add)),
        **strided_math.kernels(xp, refuse_zero),
        **strided_order.kernels(xp),
    }
