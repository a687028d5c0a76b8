"""The named tuples of linear algebra; fields as PyTorch names them."""

from __future__ import annotations

from .return_types import _named

__all__ = [
    "cholesky_ex", "eig", "eigh", "inv_ex", "lstsq", "lu", "lu_factor", "lu_factor_ex",
    "lu_unpack", "qr", "slogdet", "solve_ex", "svd", "svd_v", "triangular_solve",
]  # fmt: skip

cholesky_ex = _named("linalg_cholesky_ex", "L", "info")
eig = _named("linalg_eig", "eigenvalues", "eigenvectors")
eigh = _named("linalg_eigh", "eigenvalues", "eigenvectors")
inv_ex = _named("linalg_inv_ex", "inverse", "info")
lstsq = _named("linalg_lstsq", "solution", "residuals", "rank", "singular_values")
lu = _named("linalg_lu", "P", "L", "U")
lu_factor = _named("linalg_lu_factor", "LU", "pivots")
lu_factor_ex = _named("linalg_lu_factor_ex", "LU", "pivots", "info")
lu_unpack = _named("lu_unpack", "P", "L", "U")
qr = _named("linalg_qr", "Q", "R")
slogdet = _named("linalg_slogdet", "sign", "logabsdet")
solve_ex = _named("linalg_solve_ex", "result", "info")
svd = _named("linalg_svd", "U", "S", "Vh")
svd_v = _named("svd", "U", "S", "V")
triangular_solve = _named("triangular_solve", "solution", "cloned_coefficient")
