"""Elementwise kernels that CuPy lacks, or would need several passes for; by op name.

Each is one pass over memory. Half precision is computed with in float32: ``W`` is the type that a
kernel computes with, ``T`` what the arrays hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy

from ..backends.base import Kernel

__all__ = ["KERNELS", "into_kernels", "kernels"]

PREAMBLE = """
template <int size> struct Computed { typedef double type; };
template <> struct Computed<2> { typedef float type; };
template <> struct Computed<4> { typedef float type; };
"""

_HALF_SQRT = "(W)0.70710678118654752"
_TANH = """
    W square = v * v;
    W t = tanh(v * ((W)0.79788456080286536 + square * (W)0.035677408136300125));
"""
_SIGMOID = "W s = (W)1 / ((W)1 + exp(-v));"

# name -> inputs, outputs, what is done
KERNELS = {
    "gelu": ("T x", "T y", f"y = (T)((W)0.5 * v * ((W)1 + erf(v * {_HALF_SQRT})));"),
    "gelu_tanh": ("T x", "T y", _TANH + "y = (T)((W)0.5 * v * ((W)1 + t));"),
    "gelu_back": ("T x, T g", "T y", f"""
        W density = (W)0.39894228040143268 * exp((W)-0.5 * v * v);
        y = (T)((W)g * ((W)0.5 * ((W)1 + erf(v * {_HALF_SQRT})) + v * density));
        """),
    "gelu_tanh_back": ("T x, T g", "T y", _TANH + """
        W inner = v * ((W)1 - t * t);
        W slope = inner * ((W)0.79788456080286536 + square * (W)0.10703222440890037);
        y = (T)((W)0.5 * (slope + t + (W)1) * (W)g);
        """),
    "silu": ("T x", "T y", _SIGMOID + "y = (T)(v * s);"),
    "silu_back": ("T x, T g", "T y", _SIGMOID + "y = (T)((W)g * s * ((W)1 + v * ((W)1 - s)));"),
    "sigmoid": ("T x", "T y", _SIGMOID + "y = (T)s;"),
    "rsqrt": ("T x", "T y", "y = (T)((W)1 / sqrt(v));"),
    "leaky_relu": ("T x, float64 slope", "T y", "y = (T)(v > (W)0 ? v : v * (W)slope);"),
    # nan is not below 0 either
    "relu_back": ("T x, T g", "T y", "y = (T)((W)g * (v <= (W)0 ? (W)0 : (W)1));"),
    "hardtanh": ("T x, float64 low, float64 high", "T y", """
        W l = (W)(T)low, h = (W)(T)high;
        y = (T)(v < l ? l : v > h ? h : v);
        """),
    "sign": ("T x", "T y", "y = (T)(v > (W)0 ? (W)1 : v < (W)0 ? (W)-1 : (W)0);"),
    "nan_to_num": ("T x, float64 nan, float64 high, float64 low", "T y", """
        y = (T)(v != v ? (W)nan : v - v == (W)0 ? v : v > (W)0 ? (W)high : (W)low);
        """),
    "lerp": ("T x, T z, T weight", "T y", """
        W away = (W)z - v, w = (W)weight;
        y = (T)(fabs(w) < (W)0.5 ? v + w * away : (W)z - away * ((W)1 - w));
        """),
    "add_scaled": ("T x, T z, float64 factor", "T y", "y = (T)(v + (W)z * (W)factor);"),
}  # fmt: skip

_POWER = cupy.ElementwiseKernel(
    "T x, T n", "T y",
    """
    T base = x, left = n, found = 1;
    if (n < (T)0) {  // what is left of 1 / x: only 1 and -1 are not 0
        found = x == (T)1 ? (T)1 : x == (T)-1 ? (n % 2 ? (T)-1 : (T)1) : (T)0;
        left = 0;
    }
    for (; left > 0; left /= 2) {
        if (left % 2) found *= base;
        base *= base;
    }
    y = found;
    """,
    "tensorplug_power",
)  # fmt: skip


def _made(name: str) -> Any:
    inputs, outputs, body = KERNELS[name]
    body = "typedef Computed<sizeof(T)>::type W;\nW v = (W)x;\n" + body
    return cupy.ElementwiseKernel(inputs, outputs, body, f"tensorplug_{name}", preamble=PREAMBLE)


def _given(x: Any, like: Any) -> Any:
    """A number as one of an array's type: CuPy would take it for float64."""
    return x if hasattr(x, "dtype") else like.dtype.type(x)


class _Floats:
    """Kernels for real floating point; every other type goes to what is shared."""

    def __init__(self, plain: dict[str, Kernel]) -> None:
        self.plain = plain
        self.made = {name: _made(name) for name in KERNELS}

    def one(self, name: str) -> Kernel:
        """A kernel of one operand, which may write to ``out``."""
        fast, plain = self.made[name], self.plain.get(name)

        def kernel(x: Any, out: Any = None) -> Any:
            if x.dtype.kind not in "fV" and plain is not None:
                return plain(x) if out is None else plain(x, out)
            return fast(x) if out is None else fast(x, out)

        return kernel

    def lerp(self, x: Any, y: Any, weight: Any, out: Any = None) -> Any:
        operands = (x, y, weight)
        like = next(v for v in operands if hasattr(v, "dtype"))
        if like.dtype.kind not in "fV":
            plain = self.plain["lerp"]
            return plain(x, y, weight) if out is None else plain(x, y, weight, out)
        given = [_given(v, like) for v in operands]
        return self.made["lerp"](*given) if out is None else self.made["lerp"](*given, out)

    def nan_to_num(self, x: Any, nan: float, high: float, low: float) -> Any:
        fast = self.made["nan_to_num"]
        if x.dtype.kind != "c":
            return fast(x, nan, high, low)
        out = cupy.empty(x.shape, x.dtype)
        fast(x.real, nan, high, low, out.real)
        fast(x.imag, nan, high, low, out.imag)
        return out

    def add_scaled(self, x: Any, y: Any, factor: Any, out: Any = None) -> Any:
        fast = self.made["add_scaled"]
        if x.dtype.kind not in "fV" or hasattr(factor, "dtype"):
            return cupy.add(x, y * _given(factor, y), out)
        return fast(x, y, factor) if out is None else fast(x, y, factor, out)


def _power(plain: Kernel) -> Kernel:
    def power(x: Any, y: Any, out: Any = None) -> Any:
        like = x if hasattr(x, "dtype") else y
        if like.dtype.kind != "i":
            return plain(x, y, out)
        x, y = _given(x, like), _given(y, like)
        return _POWER(x, y) if out is None else _POWER(x, y, out)

    return power


def into_kernels(plain: dict[str, Kernel]) -> dict[str, Kernel]:
    """The kernels that take ``out`` last, made from the shared ones for other types."""
    floats = _Floats(plain)
    return {
        **{name: floats.one(name) for name in ("sigmoid", "rsqrt", "sign")},
        "lerp": floats.lerp,
        "add_scaled": floats.add_scaled,
        "pow": _power(plain["pow"]),
    }


def kernels(plain: dict[str, Kernel]) -> dict[str, Callable[..., Any]]:
    """All kernels of this file."""
    floats = _Floats(plain)
    made = floats.made
    return {
        **{name: k for name, k in into_kernels(plain).items() if name != "add_scaled"},
        "gelu": lambda x, how: made["gelu_tanh" if how == "tanh" else "gelu"](x),
        "gelu_back": lambda g, x, how: made[
            "gelu_tanh_back" if how == "tanh" else "gelu_back"](x, g),
        "silu": made["silu"],
        "silu_back": lambda g, x: made["silu_back"](x, g),
        "leaky_relu": made["leaky_relu"],
        "relu_back": lambda g, y: made["relu_back"](y, g),
        "hardtanh": made["hardtanh"],
        "nan_to_num": floats.nan_to_num,
    }  # fmt: skip
