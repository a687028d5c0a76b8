"""Elementwise kernels for NumPy-like array modules that are more than one ufunc."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .base import Kernel
from .strided import elementwise, elementwise_unary, waits

__all__ = ["SEVERAL_STEPS", "into_kernels", "kernels"]

_MANY = 4096
"""From so many elements on, choosing by bit masks beats branching on every element."""


def _kind(x: Any, y: Any) -> str:
    """The kind of two operands, of which one may be a Python number."""
    return (x if hasattr(x, "dtype") else y).dtype.kind


def _quiet(xp: Any) -> AbstractContextManager[Any]:
    """For kernels of several steps, which a warning made an error must not leave half done."""
    return xp.errstate(all="ignore") if hasattr(xp, "errstate") else nullcontext()  # not CuPy


class Choosing:
    """``where`` and the kernels made from it, for an array module."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def where(self, condition: Any, x: Any, y: Any) -> Any:
        """``x`` where the condition holds, ``y`` elsewhere; either may be a Python number."""
        xp = self.xp
        if condition.size < _MANY:
            return xp.where(condition, x, y)
        x, y = self._arrays(x, y)
        if x.dtype != y.dtype or x.dtype.itemsize not in _WORDS:
            return xp.where(condition, x, y)
        # y ^ ((x ^ y) & mask), with a mask of all ones where the condition holds: no branches,
        # so it runs some seven times as fast when the condition is unpredictable.
        word = _WORDS[x.dtype.itemsize]
        mask = xp.negative(condition.astype(word))
        its = self._words(y, word)
        out = xp.bitwise_xor(self._words(x, word), its)
        if out.shape != xp.broadcast_shapes(out.shape, mask.shape):
            return xp.where(condition, x, y)
        xp.bitwise_and(out, mask, out=out)
        xp.bitwise_xor(out, its, out=out)
        return out.view(x.dtype)

    def _words(self, x: Any, word: str) -> Any:
        return x.view(word) if x.dtype.kind != "O" else x

    def _arrays(self, x: Any, y: Any) -> tuple[Any, Any]:
        """A Python number as an array of the other operand's type."""
        if not hasattr(x, "dtype"):
            x = self.xp.asarray(x, dtype=y.dtype)
        elif not hasattr(y, "dtype"):
            y = self.xp.asarray(y, dtype=x.dtype)
        return x, y

    def _clips(self, x: Any, *bounds: Any) -> bool:
        """Whether NumPy's clip serves: with numbers it is some three times as fast as maximum."""
        return (
            x.dtype.kind == "f"
            and x.size >= _MANY
            and all(not hasattr(bound, "shape") for bound in bounds)
        )

    def relu(self, x: Any, out: Any = ...) -> Any:
        """Negative elements replaced by 0; nan stays."""
        return self.clamp_min(x, x.dtype.type(0) if x.dtype.kind == "V" else 0, out)

    def clamp_min(self, x: Any, low: Any, out: Any = ...) -> Any:
        """At least ``low``."""
        if hasattr(x, "dtype") and self._clips(x, low):
            return self.xp.clip(x, low, self.xp.inf, out=None if out is ... else out)
        return self.xp.maximum(x, low, out=out)

    def clamp_max(self, x: Any, high: Any, out: Any = ...) -> Any:
        """At most ``high``."""
        if hasattr(x, "dtype") and self._clips(x, high):
            return self.xp.clip(x, -self.xp.inf, high, out=None if out is ... else out)
        return self.xp.minimum(x, high, out=out)

    def clamp(self, x: Any, low: Any, high: Any, out: Any = ...) -> Any:
        """Limited to ``low`` and then to ``high``."""
        xp = self.xp
        if hasattr(x, "dtype") and self._clips(x, low, high):
            return xp.clip(x, low, high, out=None if out is ... else out)
        return xp.minimum(xp.maximum(x, low, out=out), high, out=out)

    def lerp(self, x: Any, y: Any, weight: Any, out: Any = ...) -> Any:
        """``x + weight * (y - x)``, from the nearer end."""
        xp = self.xp
        if hasattr(weight, "dtype") or not (hasattr(x, "dtype") and hasattr(y, "dtype")):
            nearer = abs(weight) < 0.5
            away = y - x
            found = xp.where(nearer, x + weight * away, y - away * (1 - weight))
            return xp.add(found, 0, out=out)
        found = xp.subtract(y, x, out=...)
        if abs(weight) < 0.5:
            found *= weight
            return xp.add(found, x, out=out)
        found *= weight - 1
        return xp.add(found, y, out=out)

    def sign(self, x: Any, out: Any = ...) -> Any:
        """-1, 0 or 1; 0 for nan too."""
        xp = self.xp
        if x.dtype.kind == "b":
            return x.copy() if out is ... else out
        if x.dtype.kind in "iu":
            return xp.sign(x, out=out)
        missing = xp.isnan(x)
        found = xp.sign(x, out=out)
        if missing.any():
            found[missing] = 0
        return found

    def nan_to_num(self, x: Any, nan: float, high: float, low: float) -> Any:
        """Nan and the infinities replaced; in both parts of a complex number."""
        xp, out = self.xp, x.copy()
        for part in (out.real, out.imag) if out.dtype.kind == "c" else (out,):
            part[xp.isnan(part)] = nan
            part[part == xp.inf] = high
            part[part == -xp.inf] = low
        return out


_WORDS = {1: "i1", 2: "i2", 4: "i4", 8: "i8"}


class Powers:
    """Powers, roots and quotients to whole numbers, for an array module."""

    def __init__(self, xp: Any, refuse_zero: Callable[[Any], None] | None = None) -> None:
        self.xp = xp
        self.refuse_zero = refuse_zero or self._refuse_zero
        self.shortcuts: dict[complex, Callable[..., Any]] = {
            1: xp.positive, 2: xp.square, 3: self._cube, 4: self._fourth, 0.5: xp.sqrt,
            -1: xp.reciprocal, -2: self._inverse_square,
        }  # fmt: skip

    def _cube(self, x: Any, out: Any) -> Any:
        return self.xp.multiply(x * x, x, out=out)

    def _fourth(self, x: Any, out: Any) -> Any:
        return self.xp.square(x * x, out=out)

    def _inverse_square(self, x: Any, out: Any) -> Any:
        return self.xp.reciprocal(x * x, out=out)

    def power(self, x: Any, y: Any, out: Any = ...) -> Any:
        """``x ** y``; whole numbers to a negative power are 0, or 1 and -1 to any.

        Raises:
            ValueError: a whole number to a negative Python number.
        """
        xp, kind = self.xp, _kind(x, y)
        if hasattr(x, "dtype") and (not hasattr(y, "dtype") or not y.ndim):
            shortcut = self.shortcuts.get(complex(y))
            if shortcut is not None and (kind in "fV" or (kind == "c" and y == 2)):
                return shortcut(x, out=out)
        if kind == "i" and hasattr(y, "dtype") and (y < 0).any():
            unit = xp.where(y % 2 == 0, 1, x)
            found = xp.where(y < 0, xp.where(abs(x) == 1, unit, 0), xp.power(x, abs(y)))
            return self._into(found.astype(y.dtype), out)
        return xp.power(x, y, out=out)

    def _into(self, found: Any, out: Any) -> Any:
        if out is ...:
            return found
        out[...] = found
        return out

    def rsqrt(self, x: Any, out: Any = ...) -> Any:
        """The reciprocal of the square root."""
        root = self.xp.sqrt(x, out=out)
        return self.xp.reciprocal(root, out=root)

    def sigmoid(self, x: Any, out: Any = ...) -> Any:
        """``1 / (1 + exp(-x))``; exp may overflow to infinity, whose reciprocal is 0."""
        xp = self.xp
        if x.dtype.itemsize == 2:
            return self._into(self.sigmoid(x.astype(xp.float32)).astype(x.dtype), out)
        found = xp.negative(x, out=out)
        xp.exp(found, out=found)
        found += 1
        return xp.reciprocal(found, out=found)

    def exp2(self, x: Any, out: Any = ...) -> Any:
        """``2 ** x``, complex too."""
        if x.dtype.kind == "c":
            return self.xp.exp(x * self.xp.log(2).astype(x.real.dtype), out=out)
        return self.xp.exp2(x, out=out)

    # --- whole-number division ------------------------------------------------------------------
    def whole(self, function: Any) -> Kernel:
        """An integer division, which refuses a divisor of 0 where NumPy gives 0."""

        def kernel(x: Any, y: Any, out: Any = ...) -> Any:
            if _kind(x, y) in "iu":
                self.refuse_zero(y)
            return function(x, y, out=out)

        return kernel

    def _refuse_zero(self, y: Any) -> None:
        if not self.xp.all(y):
            raise ZeroDivisionError("expected a divisor other than 0, got 0; ZeroDivisionError")

    def floordiv(self, x: Any, y: Any, out: Any = ...) -> Any:
        """The quotient rounded down, also where it is infinite or 0, as the array API says."""
        xp = self.xp
        if _kind(x, y) in "iu":
            return xp.floor_divide(x, y, out=out)
        endless = xp.isinf(x) | xp.isinf(y)
        if not waits(xp) and not endless.any():
            return xp.floor_divide(x, y, out=out)
        with _quiet(xp):
            exact = xp.floor(xp.true_divide(x, y))
            found = xp.floor_divide(x, y, out=out)
            xp.copyto(found, exact, where=endless)
        return found

    def div_trunc(self, x: Any, y: Any, out: Any = ...) -> Any:
        """The quotient rounded towards 0."""
        xp = self.xp
        if _kind(x, y) in "fV":
            found = xp.true_divide(x, y, out=out)
            return xp.trunc(found, out=found)
        rest = xp.fmod(x, y)
        return xp.floor_divide(x - rest, y, out=out)


class Corners:
    """Complex functions that NumPy gets wrong at infinities, nan or zeros, put right there.

    The values are those of the array API standard; as :mod:`tensorplug.autograd.complex_tables`,
    in fewer steps.
    """

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def tanh(self, x: Any, out: Any = ...) -> Any:
        """1 or -1 and a zero of the imaginary part's sign, for an infinite real part."""
        xp = self.xp
        if x.dtype.kind != "c":
            return xp.tanh(x, out=out)
        far, one, none = xp.isinf(x.real), xp.copysign(1, x.real), xp.copysign(0, x.imag)
        with _quiet(xp):
            found = xp.tanh(x, out=out)
        xp.copyto(found.real, one, where=far)
        xp.copyto(found.imag, none, where=far)
        return found

    def expm1(self, x: Any, out: Any = ...) -> Any:
        """As the formula for the parts says, where it is not 0 times infinity."""
        xp = self.xp
        at = None if x.dtype.kind != "c" else ~xp.isfinite(x) | (x.imag == 0)
        if at is None or (not waits(self.xp) and not at.any()):
            return xp.expm1(x, out=out)
        with _quiet(xp):
            a, b = x.real, x.imag
            less, turns = a == -xp.inf, xp.isfinite(b)
            beyond = xp.where(a == xp.inf, a, xp.nan)
            real = xp.where(turns, xp.expm1(a) * xp.cos(xp.where(turns, b, 0)), beyond)
            real = xp.where(less, -1, xp.where(b == 0, xp.expm1(a) + 0, real))
            imag = xp.where(turns, xp.exp(a) * xp.sin(xp.where(turns, b, 0)), xp.nan)
            imag = xp.where(b == 0, b, xp.where(less & ~turns, 0, imag))
            found = xp.expm1(x, out=out)
        xp.copyto(found.real, real, where=at)
        xp.copyto(found.imag, imag, where=at)
        return found


def _parts(xp: Any) -> dict[str, Kernel]:
    def complex_(x: Any, y: Any) -> Any:
        shape = xp.broadcast_shapes(x.shape, y.shape)
        out = xp.empty(shape, xp.result_type(x.dtype, xp.complex64))
        out.real, out.imag = x, y
        return out

    real_sign = Choosing(xp).sign

    def sgn(x: Any, out: Any = ...) -> Any:
        return xp.sign(x, out=out) if x.dtype.kind == "c" else real_sign(x, out)

    def signum(x: Any, out: Any = ...) -> Any:
        found = xp.sign(x, out=out)
        if found.dtype.kind == "c":
            found += 0  # no negative zeros
        return found

    return {
        "conj": lambda x: xp.conjugate(x, out=...) if x.dtype.kind == "c" else x,
        "real": lambda x: x.real,
        "imag": lambda x: x.imag,
        "complex": complex_,
        "sgn": sgn,
        "signum": signum,
    }


def _rounding(xp: Any) -> dict[str, Kernel]:
    def only_floats(function: Any) -> Kernel:
        def kernel(x: Any, out: Any = ...) -> Any:
            if x.dtype.kind in "iub":
                return x.copy() if out is ... else out
            return function(x, out=out)

        return kernel

    names = {"floor": "floor", "ceil": "ceil", "trunc": "trunc", "round": "rint"}
    return {name: only_floats(getattr(xp, ufunc)) for name, ufunc in names.items()}


SEVERAL_STEPS = ("exp2", "lerp", "pow", "rsqrt", "sigmoid")
"""The kernels below that write to ``out`` more than once, and may meet inf or nan between."""


Refusal = Callable[[Any], None]
"""Sees to an error where an array of whole numbers, or a number, that is divided by is 0."""


def into_kernels(xp: Any, refuse_zero: Refusal | None = None) -> dict[str, Kernel]:
    """The kernels that can write into their first operand: ``out`` comes last."""
    choosing, powers, corners = Choosing(xp), Powers(xp, refuse_zero), Corners(xp)
    return {
        "expm1": corners.expm1,
        "tanh": corners.tanh,
        "relu": choosing.relu,
        "clamp_min": choosing.clamp_min,
        "clamp_max": choosing.clamp_max,
        "clamp": choosing.clamp,
        "lerp": choosing.lerp,
        "sign": choosing.sign,
        "pow": powers.power,
        "rsqrt": powers.rsqrt,
        "sigmoid": powers.sigmoid,
        "exp2": powers.exp2,
        "logaddexp_real": elementwise(xp.logaddexp),
        "floor_divide": powers.whole(xp.floor_divide),
        "remainder": powers.whole(xp.remainder),
        "fmod": powers.whole(xp.fmod),
        "floordiv": powers.whole(powers.floordiv),
        "bitwise_left_shift": elementwise(xp.left_shift),
        "bitwise_right_shift": elementwise(xp.right_shift),
        "positive": elementwise_unary(xp.positive),
        **_rounding(xp),
    }


def kernels(xp: Any, refuse_zero: Refusal | None = None) -> dict[str, Callable[..., Any]]:
    """All kernels of this file, bound to an array module."""
    choosing, powers = Choosing(xp), Powers(xp, refuse_zero)
    return {
        **into_kernels(xp, refuse_zero),
        **_parts(xp),
        "where": choosing.where,
        "nan_to_num": choosing.nan_to_num,
        "div_trunc": powers.whole(powers.div_trunc),
    }
