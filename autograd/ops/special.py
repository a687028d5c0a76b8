"""Special functions. Those of the gamma, error and Bessel families have no array API function."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from ...backends.device import Device
from ...backends.dtypes import int32
from ..families import BINARY, GENERIC, UNARY
from ..kinds import FLOATING, REAL_FLOAT
from ..registry import op as any_op

__all__ = ["on_host"]

op = partial(any_op, needs="special")


def on_host(name: str) -> Any:
    """A generic form that computes on the host: the standard has nothing to compose it from."""

    def compute(F: Any, *args: Any) -> Any:
        cpu = Device("cpu")
        host = cpu.F
        down = [
            host.from_host(F.backend.to_host(arg)) if hasattr(arg, "shape") else arg for arg in args
        ]
        return F.from_host(cpu.backend.to_host(getattr(host, name)(*down)))

    return compute


def special(name: str, grad: Any, **fields: Any) -> None:
    """Declare a function of one real number, computed by SciPy where nobody is faster."""
    fields.setdefault("ref", f"scipy.special.{fields.pop('scipy', name)}")
    op(name, UNARY, xp=None, dtype=REAL_FLOAT, generic=on_host(name), grad=grad, **fields)


# --- the error function and the normal distribution --------------------------------------------

_TWO_BY_ROOT_PI = 2 / math.sqrt(math.pi)


def _bell(F: Any, x: Any) -> Any:
    return F.exp(-x * x) * _TWO_BY_ROOT_PI


special("erf", lambda F, g, x: g * _bell(F, x))
special("erfc", lambda F, g, x: -g * _bell(F, x))
special("erfinv", lambda F, g, out: g * (F.exp(out * out) / _TWO_BY_ROOT_PI), domain=(-0.9, 0.9),
   )  # fmt: skip
special("erfcx", lambda F, g, x, out: g * (2 * x * out - _TWO_BY_ROOT_PI), namespace="special")
_ROOT_2PI = math.sqrt(2 * math.pi)
special("ndtr", lambda F, g, x: g * (F.exp(-x * x / 2) / _ROOT_2PI), namespace="special")
special("log_ndtr", namespace="special", grad=lambda F, g, x:
        g * (F.erfcx(x * -math.sqrt(0.5)) ** -1 * (math.sqrt(2 / math.pi))))  # fmt: skip
special("ndtri", lambda F, g, out: g * (F.exp(out * out / 2) * _ROOT_2PI), domain=(0.1, 0.9),
        namespace="special")  # fmt: skip


def _logit(F: Any, x: Any) -> Any:
    return F.log(x / (1 - x))


def _logit_grad(F: Any, g: Any, x: Any) -> Any:
    return g / (x * (1 - x))


op("logit", UNARY, xp=None, dtype=REAL_FLOAT, generic=_logit, grad=_logit_grad, public=False,
   domain=(0.1, 0.9))  # fmt: skip


def _entr(F: Any, x: Any) -> Any:
    value = F.where(x > 0, -x * F.log(F.where(x > 0, x, 1)), 0)
    return F.where(x != x, x, F.where(x < 0, -math.inf, value))


op("entr", UNARY, xp=None, dtype=REAL_FLOAT, generic=_entr, namespace="special", domain=(0.1, 4),
   grad=lambda F, g, x: g * (-F.log(x) - 1), ref="scipy.special.entr")  # fmt: skip

# --- gamma ------------------------------

special("lgamma", lambda F, g, x: g * F.digamma(x), scipy="gammaln", domain=(0.2, 4),
   )  # fmt: skip
special(
    "digamma",
    lambda F, g, x: g * F.polygamma(x, 1),
    domain=(0.2, 4),
)
op("polygamma", GENERIC, inputs=("x",), attrs=("n",), xp=None, dtype=REAL_FLOAT, public=False,
   generic=on_host("polygamma"), grad=lambda F, g, x, n: g * F.polygamma(x, n + 1))  # fmt: skip
op("zeta", BINARY, xp=None, dtype=REAL_FLOAT, generic=on_host("zeta"), namespace="special",
   domain=(1.5, 4), grad={"y": lambda F, g, x, y: g * (-x * F.zeta(x + 1, y))},
   ref="scipy.special.zeta")  # fmt: skip
op("igamma", BINARY, xp=None, dtype=FLOATING, generic=on_host("igamma"), domain=(0.5, 4),
   ref="scipy.special.gammainc",
   grad={"y": lambda F, g, x, y: g * F.exp((x - 1) * F.log(y) - y - F.lgamma(x))})  # fmt: skip
op("igammac", BINARY, xp=None, dtype=FLOATING, generic=on_host("igammac"), domain=(0.5, 4),
   ref="scipy.special.gammaincc",
   grad={"y": lambda F, g, x, y: -g * F.exp((x - 1) * F.log(y) - y - F.lgamma(x))})  # fmt: skip

# --- Bessel ------------------------------


def _over(F: Any, x: Any, value: Any, at_zero: float) -> Any:
    """``value / x``, and what it tends to where ``x`` is 0."""
    zero = x == 0
    return F.where(zero, at_zero, value / F.where(zero, 1, x))


special("i0", lambda F, g, x: g * F.i1(x))
special("i0e", lambda F, g, x, out: g * (F.i1e(x) - F.sign(x) * out), namespace="special")
special("i1", lambda F, g, x, out: g * (F.i0(x) - _over(F, x, out, 0.5)), namespace="special")
special("i1e", lambda F, g, x, out: g * (F.i0e(x) - out * F.sign(x) - _over(F, x, out, 0.5)),
        namespace="special")  # fmt: skip
special("bessel_j0", lambda F, g, x: -g * F.bessel_j1(x), scipy="j0", namespace="special")
special("bessel_j1", lambda F, g, x, out: g * (F.bessel_j0(x) - _over(F, x, out, 0.5)),
        scipy="j1", namespace="special")  # fmt: skip
special("bessel_y0", lambda F, g, x: -g * F.bessel_y1(x), scipy="y0", namespace="special",
        domain=(0.5, 4))  # fmt: skip
special("bessel_y1", lambda F, g, x, out: g * (F.bessel_y0(x) - out / x), scipy="y1",
        namespace="special", domain=(0.5, 4))  # fmt: skip

# --- the parts of a floating-point number -------------------------------------------------------


def _frexp(F: Any, x: Any) -> tuple[Any, Any]:
    usable = F.logical_and(F.isfinite(x), x != 0)
    size = F.where(usable, F.abs(x), 1)
    power = F.floor(F.log2(size)) + 1
    # In two steps, because 2 ** power itself may overflow; log2 may be off by one next to powers.
    half = F.floor(power * 0.5)
    part = size * F.exp2(-half) * F.exp2(half - power)
    low, high = part < 0.5, part >= 1
    part = F.where(low, part * 2, F.where(high, part * 0.5, part))
    power = F.where(low, power - 1, F.where(high, power + 1, power))
    return F.where(usable, F.sign(x) * part, x), F.cast(F.where(usable, power, 0), int32)


op("frexp", GENERIC, inputs=("x",), attrs=(), outputs=("mantissa", "exponent"), xp=None,
   dtype=FLOATING, public=False, generic=_frexp,
   grad=lambda F, g, x, exponent: g[0] / F.exp2(F.cast(exponent, F.dtype_of(x))))  # fmt: skip
