"""Linear algebra of the stand-in: SciPy's."""

from typing import Any

import numpy as np
import scipy.linalg as _linalg
from cupy._array import check, ndarray


def solve_triangular(
    a: ndarray, b: ndarray, trans: int = 0, lower: bool = False, unit_diagonal: bool = False,
    overwrite_b: bool = False, check_finite: bool = False,
) -> ndarray:  # fmt: skip
    check(a, b)
    solve = _linalg.get_blas_funcs(("trsm",), (a._a, b._a))[0]
    return ndarray.new(solve(1, a._a, b._a, lower=lower, diag=unit_diagonal))


def lu_factor(a: ndarray, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    check(a)
    factor = _linalg.get_lapack_funcs(("getrf",), (a._a,))[0]
    packed, pivots, _ = factor(a._a)
    return ndarray.new(packed), ndarray.new(np.asarray(pivots, np.int32))
