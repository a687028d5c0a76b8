"""What SciPy, and the libraries that follow it, call the special functions of the op rows."""

from __future__ import annotations

__all__ = ["SCIPY_NAMES"]

SCIPY_NAMES = {
    "erf": "erf", "erfc": "erfc", "erfinv": "erfinv", "erfcx": "erfcx", "ndtr": "ndtr",
    "log_ndtr": "log_ndtr", "ndtri": "ndtri", "lgamma": "gammaln", "digamma": "digamma",
    "zeta": "zeta", "igamma": "gammainc", "igammac": "gammaincc", "i0": "i0", "i0e": "i0e",
    "i1": "i1", "i1e": "i1e", "bessel_j0": "j0", "bessel_j1": "j1", "bessel_y0": "y0",
    "bessel_y1": "y1",
}  # fmt: skip
"""Op name -> name in ``scipy.special`` and ``cupyx.scipy.special``."""
