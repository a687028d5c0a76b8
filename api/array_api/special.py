"""Special functions under SciPy's names, which it looks for in an array's namespace.

No extension of the standard yet (data-apis/array-api#725). Without them SciPy would compute on
NumPy arrays, with no gradients and on the host alone.
"""

from __future__ import annotations

from .. import special as torchs
from ..autograd.tensor import Tensor

_SAME = (
    "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "gammaln", "i0", "i0e", "i1", "i1e",
    "log_ndtr", "logit", "multigammaln", "ndtr", "ndtri", "polygamma", "psi", "sinc", "xlog1py",
    "xlogy",
)  # fmt: skip
_RENAMED = {"j0": "bessel_j0", "j1": "bessel_j1", "y0": "bessel_y0", "y1": "bessel_y1"}
_FUNCTIONS = {name: getattr(torchs, theirs) for name, theirs in _RENAMED.items()} | {
    name: getattr(torchs, name) for name in _SAME
}
globals().update(_FUNCTIONS)
__all__ = sorted([*_FUNCTIONS, "zeta"])


def zeta(x: Tensor, q: Tensor | float | None = None) -> Tensor:
    """Hurwitz's zeta function; Riemann's without ``q``."""
    return torchs.zeta(x, 1.0 if q is None else q)
