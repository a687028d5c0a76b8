"""Activation functions: one fused row each, with a derivative that is stable everywhere."""

from __future__ import annotations

import math
from typing import Any

from ..families import BINARY, GENERIC, UNARY
from ..kinds import FLOATING, NUMERIC_REAL
from ..registry import op
from .composed import composed

__all__: list[str] = []

# --- pieces of straight lines ------------------------------

op("relu_back", BINARY, inputs=("g", "y"), xp=None, dtype=FLOATING, public=False,
   generic=lambda F, g, y: F.where(y <= 0, 0.0, g), node="ReluBackward",
   grad={("g", "y"): lambda F, g, y: (F.relu_back(g, y), None)})  # fmt: skip


def _between(F: Any, g: Any, x: Any, low: float, high: float) -> Any:
    """``g`` strictly between the limits and where ``x`` is nan, 0 elsewhere."""
    return F.where(F.logical_or(x <= low, x >= high), 0.0, g)


def _hardtanh(F: Any, x: Any, low: float, high: float) -> Any:
    dtype = F.dtype_of(x)
    return F.minimum(F.maximum(x, F.full((), low, dtype)), F.full((), high, dtype))


op("leaky_relu", GENERIC, inputs=("x",), attrs=("slope",), dtype=FLOATING, xp=None, public=False,
   generic=lambda F, x, slope: F.where(x > 0, x, x * slope),
   grad=lambda F, g, x, slope: F.where(x > 0, g, g * slope))  # fmt: skip
op("hardtanh", GENERIC, inputs=("x",), attrs=("low", "high"), dtype=NUMERIC_REAL, xp=None,
   public=False, generic=_hardtanh,
   grad=lambda F, g, x, low, high: _between(F, g, x, low, high))  # fmt: skip
op("threshold", GENERIC, inputs=("x",), attrs=("limit", "value"), dtype=NUMERIC_REAL, xp=None,
   public=False,
   generic=lambda F, x, limit, value: F.where(x <= limit, F.full((), value, F.dtype_of(x)), x),
   grad=lambda F, g, x, limit: F.where(x <= limit, 0.0, g))  # fmt: skip
op("hardshrink", GENERIC, inputs=("x",), attrs=("width",), dtype=FLOATING, xp=None, public=False,
   generic=lambda F, x, width: F.where(F.logical_and(x >= -width, x <= width), 0.0, x),
   grad=lambda F, g, x, width:
       F.where(F.logical_and(x >= -width, x <= width), 0.0, g))  # fmt: skip
op("softshrink", GENERIC, inputs=("x",), attrs=("width",), dtype=FLOATING, xp=None, public=False,
   generic=lambda F, x, width:
       F.where(x > width, x - width, F.where(x < -width, x + width, x * 0.0)),
   grad=lambda F, g, x, width:
       F.where(F.logical_and(x >= -width, x <= width), 0.0, g))  # fmt: skip
op("hardsigmoid", UNARY, xp=None, dtype=FLOATING, public=False,
   generic=lambda F, x: _hardtanh(F, x + 3, 0, 6) / 6,
   grad=lambda F, g, x: F.where(F.logical_and(x > -3, x < 3), g / 6, 0.0))  # fmt: skip
op("hardswish", UNARY, xp=None, dtype=FLOATING, public=False,
   generic=lambda F, x: x * (_hardtanh(F, x + 3, 0, 6) / 6),
   grad=lambda F, g, x:
       F.where(x <= -3, 0.0, F.where(x < 3, g * (x / 3 + 0.5), g)))  # fmt: skip

# --- with exponentials ------------------------------


def _negative_part(F: Any, x: Any) -> Any:
    """``min(x, 0)``: keeps exponentials finite where they are not used anyway."""
    return F.minimum(x, F.zeros((), F.dtype_of(x)))


def _elu(F: Any, x: Any, alpha: float, scale: float, inner: float) -> Any:
    curved = F.expm1(_negative_part(F, x) * inner) * (alpha * scale)
    return F.where(x <= 0, curved, x * scale)


def _elu_rule(F: Any, g: Any, x: Any, alpha: float, scale: float, inner: float) -> Any:
    curved = F.exp(_negative_part(F, x) * inner) * (alpha * scale * inner)
    return F.where(x <= 0, g * curved, g * scale)


op("elu", GENERIC, inputs=("x",), attrs=("alpha", "scale", "inner"), dtype=FLOATING, xp=None,
   public=False, generic=_elu, grad=_elu_rule)  # fmt: skip


def _softplus(F: Any, x: Any, beta: float, limit: float) -> Any:
    scaled = x * beta
    small = F.minimum(scaled, F.full((), limit, F.dtype_of(x)))
    return F.where(scaled > limit, x, F.log1p(F.exp(small)) / beta)


op("softplus", GENERIC, inputs=("x",), attrs=("beta", "limit"), dtype=FLOATING, xp=None,
   public=False, generic=_softplus,
   grad=lambda F, g, x, beta, limit:
       F.where(x * beta > limit, g, g * F.sigmoid(x * beta)))  # fmt: skip
op("logsigmoid", UNARY, xp=None, dtype=FLOATING, public=False, node="LogSigmoid",
   generic=lambda F, x: _negative_part(F, x) - F.log1p(F.exp(-F.abs(x))),
   grad=lambda F, g, x: g * F.sigmoid(-x))  # fmt: skip


def _silu_back(F: Any, g: Any, x: Any) -> Any:
    s = F.sigmoid(x)
    return g * (s * (1 + x * (1 - s)))


composed("silu_back", _silu_back, ("g", "x"))
op("silu", UNARY, xp=None, dtype=FLOATING, public=False,
   generic=lambda F, x: x * F.sigmoid(x), grad=lambda F, g, x: F.silu_back(g, x))  # fmt: skip


def _mish_rule(F: Any, g: Any, x: Any) -> Any:
    t = F.tanh(F.softplus(x, 1.0, 20.0))
    return g * (t + x * F.sigmoid(x) * (1 - t * t))


op("mish", UNARY, xp=None, dtype=FLOATING, public=False,
   generic=lambda F, x: x * F.tanh(F.softplus(x, 1.0, 20.0)), grad=_mish_rule)  # fmt: skip

_CUBE = 0.044715
_SLOPE = math.sqrt(2 / math.pi)


def _gelu(F: Any, x: Any, approximate: str) -> Any:
    if approximate == "tanh":
        return 0.5 * x * (1 + F.tanh(_SLOPE * (x + _CUBE * (x * x * x))))
    return 0.5 * x * (1 + F.erf(x * math.sqrt(0.5)))


def _gelu_back(F: Any, g: Any, x: Any, approximate: str) -> Any:
    if approximate == "tanh":
        t = F.tanh(_SLOPE * (x + _CUBE * (x * x * x)))
        slope = _SLOPE * (1 + 3 * _CUBE * (x * x))
        return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope)
    density = F.exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi))
    return g * (0.5 * (1 + F.erf(x * math.sqrt(0.5))) + x * density)


composed("gelu_back", _gelu_back, ("g", "x"), ("approximate",))
op("gelu", GENERIC, inputs=("x",), attrs=("approximate",), dtype=FLOATING, xp=None, public=False,
   generic=_gelu, grad=lambda F, g, x, approximate: F.gelu_back(g, x, approximate))  # fmt: skip
