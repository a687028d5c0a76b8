"""Special functions with arguments of their own, and the ``special`` names of shared ones."""

from __future__ import annotations

from typing import Any

from .._attach import METHODS
from ..autograd import inplace, return_types
from ..autograd.errors import OpError
from ..autograd.registry import FUNCTIONS, ROWS, function
from ..autograd.tensor import Tensor
from ._arguments import settle, tensor

__all__ = ["frexp", "logit", "mvlgamma", "polygamma"]

_call = {name: row.call for name, row in ROWS.items()}


@function(row="logit", inplace=True, domain=(0.1, 0.9),
          samples=lambda t: [(t(2, 3),), (t(3), 0.2), (t(),)])  # fmt: skip
def logit(input: Tensor, eps: float | None = None, *, out: Any = None) -> Tensor:
    """``log(input / (1 - input))``, of ``input`` limited to ``[eps, 1 - eps]`` when given.

    Example:
        >>> tp.logit(tp.tensor([0.5]))
        tensor([0.])
    """
    input = tensor("logit", input)
    if eps is not None:
        input = _call["clamp"](input, float(eps), 1 - float(eps))
    return settle("logit", _call["logit"](input), out)


@function(row="polygamma", method=False, domain=(0.5, 4), samples=lambda t: [(1, t(3)), (2, t(2))])
def polygamma(n: Any, input: Any, *, out: Any = None) -> Tensor:
    """The ``n``-th derivative of :func:`digamma`.

    Raises:
        RuntimeError: ``n`` is negative.

    Example:
        >>> tp.polygamma(1, tp.tensor([1.0]))
        tensor([1.6449])
    """
    if isinstance(n, Tensor):  # as a method: x.polygamma(n)
        n, input = input, n
    if n < 0:
        raise OpError(f"polygamma: expected n of 0 or more, got {n}; polygamma(n, x) does not "
                      "support negative n", op="polygamma")  # fmt: skip
    input = tensor("polygamma", input)
    if n == 0:
        return settle("polygamma", _call["digamma"](input), out)
    return settle("polygamma", _call["polygamma"](input, int(n)), out)


def _polygamma_method(self: Tensor, n: int) -> Tensor:
    """The ``n``-th derivative of :func:`digamma`."""
    return polygamma(n, self)


def _polygamma_inplace(self: Tensor, n: int) -> Tensor:
    """In-place version of :func:`polygamma`."""
    return inplace.apply("polygamma_", self, _polygamma_method, (n,), {})


# As a method it takes the tensor first.
METHODS.update(polygamma=_polygamma_method, polygamma_=_polygamma_inplace)


@function(inplace=True, domain=(2.0, 5),
          samples=lambda t: [(t(3), 1), (t(2), 3)])  # fmt: skip
def mvlgamma(input: Tensor, p: int, *, out: Any = None) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension ``p``.

    Raises:
        RuntimeError: ``p`` is less than 1.

    Example:
        >>> tp.mvlgamma(tp.tensor([2.0]), 1)
        tensor([0.])
    """
    if p < 1:
        raise OpError(f"mvlgamma: expected p of at least 1, got {p}; p has to be greater than or "
                      "equal to 1", op="mvlgamma")  # fmt: skip
    input = tensor("mvlgamma", input)
    total = 0.5723649429247001 * p * (p - 1) / 2  # log(pi) / 4 * p * (p - 1)
    for j in range(p):
        total = _call["lgamma"](input - j / 2) + total
    return settle("mvlgamma", total, out)


@function(row="frexp", samples=lambda t: [(t(2, 3),), (t(),)])
def frexp(input: Tensor, *, out: Any = None) -> Any:
    """``(mantissa, exponent)`` with ``input == mantissa * 2 ** exponent`` and mantissas from 0.5.

    Raises:
        RuntimeError: the type is not floating-point.

    Example:
        >>> tp.frexp(tp.tensor([8.0])).exponent
        tensor([4], dtype=tensorplug.int32)
    """
    input = tensor("frexp", input)
    return settle("frexp", return_types.frexp(*_call["frexp"](input)), out)


_SHARED = (
    "digamma", "erf", "erfc", "erfinv", "exp2", "expm1", "i0", "log1p", "logit", "polygamma",
    "round", "sinc", "xlogy", "logsumexp",
)  # fmt: skip
_RENAMED = {"expit": "sigmoid", "gammaln": "lgamma", "psi": "digamma", "multigammaln": "mvlgamma"}
for _name, _from in [*((name, name) for name in _SHARED), *_RENAMED.items()]:
    _entry = FUNCTIONS[_from]
    function(
        name=_name, namespace="special", row=_entry.row, samples=_entry.samples, ref=_entry.ref,
        domain=_entry.domain,
    )(_entry.call)  # fmt: skip
