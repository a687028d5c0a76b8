"""Special functions and linear algebra on CUDA devices, from ``cupyx.scipy``.

``cupyx.scipy.linalg`` loads cuBLAS and cuSOLVER, so it is imported by the first call.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import cupy
import cupyx
import numpy as np
from cupyx.scipy import special

from ..backends.base import Kernel
from ..backends.scipy_names import SCIPY_NAMES

__all__ = ["kernels"]


def _special(name: str) -> Kernel:
    function = getattr(special, name)

    def kernel(*operands: Any) -> Any:
        dtype = next(x.dtype for x in operands if hasattr(x, "dtype"))  # one may be a number
        if dtype.itemsize == 2:
            operands = tuple(x.astype(np.float32) if hasattr(x, "dtype") else x for x in operands)
        return function(*operands).astype(dtype, copy=False)

    return kernel


def _digamma(x: Any) -> Any:
    """Nan at the negative whole numbers and a signed infinity at 0."""
    wide = x.astype(np.float32) if x.dtype.itemsize == 2 else x
    value = special.digamma(wide)
    value = cupy.where((wide < 0) & (wide == cupy.floor(wide)), np.nan, value)
    at_zero = cupy.where(cupy.signbit(wide), np.inf, -np.inf)
    return cupy.where(wide == 0, at_zero, value).astype(x.dtype)


def _polygamma(x: Any, n: int) -> Any:
    return special.polygamma(n, x.astype(np.float64)).astype(x.dtype)


def _frexp(x: Any) -> tuple[Any, Any]:
    mantissa, exponent = cupy.frexp(x.astype(np.float32) if x.dtype.kind == "V" else x)
    return mantissa.astype(x.dtype, copy=False), exponent.astype(np.int32, copy=False)


# --- linear algebra -------------------------------------------------------------------------------


def _checked(function: Callable[..., Any]) -> Kernel:
    """A function that waits to see whether the matrix was singular, and raises if it was."""

    def kernel(*arguments: Any) -> Any:
        with cupyx.errstate(linalg="raise"):
            return function(*arguments)

    return kernel


def _cholesky(x: Any, *upper: Any) -> Any:
    return cupy.linalg.cholesky(x)


def _solve_triangular(x: Any, y: Any, upper: bool, unit: bool) -> Any:
    """``x @ result = y``; a zero on the diagonal gives inf and nan, not an error."""
    from cupyx.scipy.linalg import solve_triangular

    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    count = math.prod(batch)
    a = cupy.broadcast_to(x, (*batch, *x.shape[-2:])).reshape(count, *x.shape[-2:])
    b = cupy.broadcast_to(y, (*batch, *y.shape[-2:])).reshape(count, *y.shape[-2:])
    found = cupy.empty(b.shape, y.dtype)
    for at in range(b.shape[0] if b.size else 0):
        found[at] = solve_triangular(a[at], b[at], lower=not upper, unit_diagonal=unit)
    return found.reshape(*batch, *y.shape[-2:])


def _lu_factor(x: Any, pivot: bool) -> tuple[Any, Any]:
    """Packed factors, and the row exchanges counted from 1."""
    rows, columns = x.shape[-2:]
    steps = min(rows, columns)
    if not pivot:
        line = cupy.arange(1, steps + 1, dtype=np.int32)
        return _eliminate(x.copy()), cupy.broadcast_to(line, (*x.shape[:-2], steps)).copy()
    from cupyx.scipy.linalg import lu_factor

    packed = cupy.empty((math.prod(x.shape[:-2]), rows, columns), x.dtype)
    pivots = cupy.empty((packed.shape[0], steps), np.int32)
    for at, matrix in enumerate(x.reshape(packed.shape) if x.size else ()):
        packed[at], found = lu_factor(matrix, check_finite=False)
        pivots[at] = found + 1
    return packed.reshape(x.shape), pivots.reshape(*x.shape[:-2], steps)


def _eliminate(x: Any) -> Any:
    """Gaussian elimination without exchanges, in place."""
    for k in range(min(x.shape[-2:])):
        x[..., k + 1 :, k] /= x[..., k, k, None]
        x[..., k + 1 :, k + 1 :] -= x[..., k + 1 :, k, None] * x[..., k, None, k + 1 :]
    return x


def _cofactors(x: Any) -> Any:
    """``conj(det(x)) * inv(x)^H`` by singular values, whatever the determinant is."""
    left, values, right = cupy.linalg.svd(x, full_matrices=False)
    ones = cupy.ones((*values.shape[:-1], 1), values.dtype)
    before = cupy.cumprod(cupy.concatenate([ones, values[..., :-1]], axis=-1), axis=-1)
    after = cupy.cumprod(cupy.concatenate([ones, values[..., :0:-1]], axis=-1), axis=-1)
    others = before * after[..., ::-1]
    scale = cupy.conj(cupy.linalg.det(left) * cupy.linalg.det(right))
    return cupy.matmul(left * (others * scale[..., None])[..., None, :], right)


def kernels() -> Mapping[str, Kernel]:
    """The kernels of this file by op name."""
    found = {name: _special(scipy) for name, scipy in SCIPY_NAMES.items()}
    return found | {
        "digamma": _digamma, "polygamma": _polygamma, "frexp": _frexp,
        "inv": _checked(cupy.linalg.inv), "solve": _checked(cupy.linalg.solve),
        "cholesky": _checked(_cholesky), "solve_triangular": _solve_triangular,
        "lu_factor": _lu_factor, "cofactors": _cofactors,
    }  # fmt: skip
