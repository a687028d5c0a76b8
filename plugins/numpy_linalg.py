"""Linear algebra that NumPy lacks, from SciPy, which loads at the first call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..backends.base import Kernel

__all__ = ["into_kernels", "kernels"]

_MANY = 4096
"""From so many elements on, one pass of BLAS beats two of NumPy."""

_BLOCK = 10000
"""OpenBLAS adds so many elements in one thread. SciPy's threads would compete with NumPy's."""


def _add_scaled(x: np.ndarray, y: np.ndarray, factor: Any, out: np.ndarray) -> None:
    """``out = x + factor * y``, without a temporary array where BLAS has the type."""
    if x is out and x.size >= _MANY and x.dtype.char in "fd":
        import scipy.linalg.blas as blas  # costs 50 ms, so not with `import tensorplug`

        one, two = (x, y) if x.flags.c_contiguous else (x.T, y.T)
        if one.flags.c_contiguous and one.flags.writeable and two.flags.c_contiguous:
            axpy = blas.saxpy if x.dtype.char == "f" else blas.daxpy
            row, other = one.reshape(-1), two.reshape(-1)
            for start in range(0, x.size, _BLOCK):
                axpy(other, row, min(_BLOCK, x.size - start), factor, start, 1, start)
            return
    np.add(x, np.multiply(y, factor), out=out, casting="unsafe")


def _solve_triangular(x: np.ndarray, y: np.ndarray, upper: bool, unit: bool) -> np.ndarray:
    """``x @ result = y``; a zero on the diagonal gives inf and nan, not an error."""
    import scipy.linalg.blas as blas  # costs 50 ms, so not with `import tensorplug`

    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    found = np.empty((*batch, *y.shape[-2:]), y.dtype)
    if not found.size:
        return found
    (trsm,) = blas.get_blas_funcs(("trsm",), (x, y))
    a = np.broadcast_to(x, (*batch, *x.shape[-2:]))
    b = np.broadcast_to(y, found.shape)
    # Fortran sees the transposes: result^T @ x^T = y^T.
    for at in np.ndindex(batch):
        found[at] = trsm(1, a[at].T, b[at].T, side=1, lower=upper, diag=unit).T
    return found


def _lu_factor(x: np.ndarray, pivot: bool) -> tuple[np.ndarray, np.ndarray]:
    """LAPACK's packed factors, and its row exchanges counted from 1."""
    steps = min(x.shape[-2:])
    pivots = np.empty((*x.shape[:-2], steps), np.int32)
    if not pivot:
        pivots[...] = np.arange(1, steps + 1)
        return _eliminate(x.copy()), pivots
    import scipy.linalg.lapack as lapack  # see above

    packed = np.empty(x.shape, x.dtype)
    if not x.size:
        return packed, pivots
    (getrf,) = lapack.get_lapack_funcs(("getrf",), (x,))
    for at in np.ndindex(x.shape[:-2]):
        packed[at], found, _ = getrf(x[at])
        pivots[at] = found + 1
    return packed, pivots


def _eliminate(x: np.ndarray) -> np.ndarray:
    """Gaussian elimination without exchanges, in place."""
    for k in range(min(x.shape[-2:])):
        x[..., k + 1 :, k] /= x[..., k, k, None]
        x[..., k + 1 :, k + 1 :] -= x[..., k + 1 :, k, None] * x[..., k, None, k + 1 :]
    return x


def kernels() -> Mapping[str, Kernel]:
    """The kernels of this file by op name."""
    return {"solve_triangular": _solve_triangular, "lu_factor": _lu_factor}


def into_kernels() -> Mapping[str, Kernel]:
    """Those that write into a given array."""
    return {"add_scaled": _add_scaled}
