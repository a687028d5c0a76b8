"""Faults of elementwise kernels, special values, promotion and reductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .base import Clean, fault, put_in_place_of, with_kernels

__all__ = ["FAULTS"]

Kernel = Callable[..., Any]


def _axes(dims: Any) -> Any:
    return None if dims is None else tuple(dims)


# --- promotion and Python numbers -----


class StrongNumbers(Clean):
    """A Python number is a float64 array like any other."""

    weak_numbers = frozenset()

    def scalar(self, value: Any, dtype: Any, device: int) -> Any:
        if type(value) is float:
            return np.asarray(value)
        return super().scalar(value, dtype, device)


def _numpy_lattice(type_: str) -> None:
    """Types are promoted as NumPy does it."""
    from tensorplug.autograd import slow
    from tensorplug.backends import dtypes

    plain = slow.result_type

    def result_type(*values: Any) -> Any:
        found = plain(*values)
        tensors = [v for v in values if hasattr(v, "_device") and v._device.type == type_]
        kinds = [tensor._dtype for tensor in tensors]
        if len(kinds) < 2 or dtypes.bfloat16 in kinds:
            return found
        return dtypes.from_numpy(np.result_type(*(kind.numpy for kind in kinds)))

    put_in_place_of(plain, result_type)


# --- elementwise -----


def _saturating_add(original: Kernel, x: Any, y: Any) -> Any:
    like = x if hasattr(x, "dtype") else y
    if like.dtype != np.uint8:
        return original(x, y)
    return np.clip(np.add(x, y, dtype=np.int64), 0, 255).astype(np.uint8)


def _c_quotient(original: Kernel, x: Any, y: Any) -> Any:
    found = original(x, y)
    if found.dtype.kind != "i":
        return found
    return np.asarray(found + ((found < 0) & (found * y != x))).astype(found.dtype)


def _narrow(original: Kernel, x: Any) -> Any:
    if x.dtype != np.float64:
        return original(x)
    with np.errstate(all="ignore"):
        return np.asarray(original(x.astype(np.float32)).astype(np.float64))


def _without_negative_zero(original: Kernel, x: Any) -> Any:
    return np.asarray(0 - x) if x.dtype.kind in "fc" else original(x)


def _by_logarithm(original: Kernel, x: Any, y: Any) -> Any:
    like = x if hasattr(x, "dtype") else y
    if like.dtype.kind != "f":
        return original(x, y)
    with np.errstate(all="ignore"):
        return np.asarray(np.exp(np.log(x) * y)).astype(like.dtype)


def _half_away(original: Kernel, x: Any) -> Any:
    if x.dtype.kind != "f":
        return original(x)
    return np.asarray(np.copysign(np.floor(np.abs(x) + x.dtype.type(0.5)), x))


def _naive_hypot(original: Kernel, x: Any, y: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.asarray(np.sqrt(x * x + y * y))


def _naive_logaddexp(original: Kernel, x: Any, y: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.asarray(np.log(np.exp(x) + np.exp(y)))


def _flushed(original: Kernel, x: Any, y: Any) -> Any:
    found = original(x, y)
    if found.dtype.kind == "f" and found.dtype.itemsize > 2:
        small = np.abs(found) < np.finfo(found.dtype).tiny
        found = np.where(small, np.copysign(found.dtype.type(0), found), found)
    return found


def _nan_equals(original: Kernel, x: Any, y: Any) -> Any:
    found = original(x, y)
    if hasattr(x, "dtype") and hasattr(y, "dtype") and x.dtype.kind == "f":
        return np.asarray(found | (np.isnan(x) & np.isnan(y)))
    return found


def _clamp_nan(original: Kernel, x: Any, low: Any, high: Any) -> Any:
    found = original(x, low, high)
    return np.where(np.isnan(x), low, found).astype(x.dtype) if x.dtype.kind == "f" else found


def _blended(original: Kernel, condition: Any, x: Any, y: Any) -> Any:
    found = original(condition, x, y)
    if found.dtype.kind != "f":
        return found
    with np.errstate(all="ignore"):
        return np.asarray(condition * x + (1 - condition) * y).astype(found.dtype)


def _reciprocal_estimate(original: Kernel, x: Any, y: Any) -> Any:
    """Division by way of a reciprocal: the last bit is wrong now and then."""
    like = x if hasattr(x, "dtype") else y
    if like.dtype != np.float32:
        return original(x, y)
    half = np.reciprocal(np.asarray(y, np.float32)).astype(np.float16).astype(np.float32)
    refined = half * (2 - np.asarray(y, np.float32) * half)
    with np.errstate(all="ignore"):
        return np.where(np.isfinite(refined), x * refined, original(x, y)).astype(np.float32)


def _no_negative_infinity(original: Kernel, x: Any, nan: Any, high: Any, low: Any) -> Any:
    return np.where(x == -np.inf, x, original(x, nan, high, low))


# --- reductions -----


def _sum_in_kind(original: Kernel, x: Any, dims: Any, keepdim: bool) -> Any:
    small = x.dtype.kind in "iu" and x.size and abs(x).max() < 128
    if not small:
        return original(x, dims, keepdim)
    found = x.astype(np.int8).sum(axis=_axes(dims), keepdims=keepdim, dtype=np.int8)
    return np.asarray(found, x.dtype)


def _half_sum(original: Kernel, x: Any, dims: Any, keepdim: bool) -> Any:
    if x.dtype == np.float16 and dims is None and x.size:
        return np.asarray(np.add.accumulate(x.reshape(-1))[-1]).reshape((1,) * x.ndim * keepdim)
    return original(x, dims, keepdim)


def _half_mean(original: Kernel, x: Any, dims: Any, keepdim: bool) -> Any:
    if x.dtype != np.float16 or not x.size:
        return original(x, dims, keepdim)
    with np.errstate(all="ignore"):
        total = np.add.reduce(x, axis=_axes(dims), keepdims=keepdim, dtype=np.float16, out=...)
        return np.asarray(total / np.float16(x.size // max(total.size, 1))).astype(np.float16)


def _one_pass_var(original: Kernel, x: Any, dims: Any, correction: float, keepdim: bool) -> Any:
    found = original(x, dims, correction, keepdim)
    if x.dtype.kind != "f" or not x.size:
        return found
    with np.errstate(all="ignore"):
        count = x.size // max(found.size, 1)
        square = np.mean(x * x, axis=_axes(dims), keepdims=keepdim)
        middle = np.mean(x, axis=_axes(dims), keepdims=keepdim)
        scaled = (square - middle * middle) * count / max(count - correction, 0)
        return np.where(np.isnan(found), found, scaled).astype(x.dtype)


def _population_std(original: Kernel, x: Any, dims: Any, correction: float, keepdim: bool) -> Any:
    return original(x, dims, 0, keepdim)


def _loud(extreme: Any) -> Kernel:
    """A maximum or minimum that ignores nan."""

    def kernel(original: Kernel, x: Any, dims: Any, keepdim: bool) -> Any:
        if x.dtype.kind != "f":
            return original(x, dims, keepdim)
        return extreme.reduce(x, axis=_axes(dims), keepdims=keepdim, out=...)

    return kernel


def _zero_if_empty(original: Kernel, x: Any, dims: Any, keepdim: bool) -> Any:
    axes = tuple(range(x.ndim)) if dims is None else tuple(dims)
    if all(x.shape[d] for d in axes):
        return original(x, dims, keepdim)
    shape = [1 if d in axes else n for d, n in enumerate(x.shape) if keepdim or d not in axes]
    return np.zeros(shape, x.dtype)


def _false_if_empty(original: Kernel, x: Any, dims: Any, keepdim: bool) -> Any:
    found = original(x, dims, keepdim)
    return found if x.size else np.zeros_like(found)


def _short_sum(original: Kernel, x: Any, dims: Any, keepdim: bool) -> Any:
    """Of rows longer than 1000 the last elements are left out, as a bad tail loop does."""
    wide = x.ndim == 1 and x.size > 1000 and dims in (None, (0,)) and not keepdim
    return original(x[: x.size - x.size % 8] if wide else x, dims, keepdim)


def _naive_sum(original: Kernel, x: Any, dims: Any, keepdim: bool) -> Any:
    """Large float32 sums add up one by one."""
    if x.dtype == np.float32 and dims is None and x.size:
        total = np.add.accumulate(x.reshape(-1))[-1]
        return np.asarray(total).reshape((1,) * x.ndim * keepdim)
    return original(x, dims, keepdim)


def _first_position(original: Kernel, x: Any, dim: int) -> Any:
    values, places = original(x, dim)
    if x.ndim == 1 and x.size:
        places = np.searchsorted(values, values, "left") if not np.isnan(values).any() else places
    return values, places.astype(np.int64)


FAULTS = (
    fault("F12", "float16 sums add up in float16", "accuracy", with_kernels(sum=_half_sum), "sum",
          "summed narrow"),
    fault("F13", "sums of small integers wrap around in their own type", "reductions",
          with_kernels(sum=_sum_in_kind), "sum", "summed"),
    fault("F14", "uint8 addition saturates", "casts", with_kernels(add=_saturating_add), "add",
          "wrap uint8"),
    fault("F15", "types are promoted as NumPy does it", "promotion", Clean, "add mul",
          "promotion promoted promote", _numpy_lattice),
    fault("F16", "Python numbers are not weak", "promotion", StrongNumbers, "add mul",
          "weak numbers number scalar scalars promotion"),
    fault("F17", "integer quotients and remainders as C has them", "special values",
          with_kernels(remainder=lambda original, x, y: np.asarray(np.fmod(x, y)),
                       floor_divide=_c_quotient, floordiv=_c_quotient),
          "remainder floor_divide"),
    fault("F19", "float64 is declared, functions compute in float32", "capabilities",
          with_kernels(**dict.fromkeys(("exp", "sin", "cos", "log", "tanh"), _narrow)),
          "exp sin log", "float64"),
    fault("F20", "maxima ignore nan", "special values",
          with_kernels(maximum=lambda original, x, y: np.asarray(np.fmax(x, y)),
                       amax=_loud(np.fmax), amin=_loud(np.fmin)), "maximum amax amin max", "nan"),
    fault("F22", "the maximum of nothing is 0", "reductions",
          with_kernels(amax=_zero_if_empty, amin=_zero_if_empty), "amax amin max min", "empty"),
    fault("F23", "the product of nothing is 0", "reductions", with_kernels(prod=_zero_if_empty),
          "prod", "empty nothing"),
    fault("F25", "clamp turns nan into the lower bound", "special values",
          with_kernels(clamp=_clamp_nan), "clamp", "nan"),
    fault("F71", "negating 0 gives 0, not -0", "special values",
          with_kernels(neg=_without_negative_zero), "neg", "zero"),
    fault("F72", "powers by way of the logarithm", "special values",
          with_kernels(pow=_by_logarithm), "pow"),
    fault("F73", "round moves halves away from zero", "special values",
          with_kernels(round=_half_away), "round"),
    fault("F74", "fmod takes the sign of the divisor", "special values",
          with_kernels(fmod=lambda original, x, y: np.asarray(np.remainder(x, y))), "fmod"),
    fault("F75", "log1p is the logarithm of 1 + x", "accuracy",
          with_kernels(log1p=lambda original, x: np.asarray(np.log(1 + x))), "log1p special.log1p"),
    fault("F76", "expm1 is exp(x) - 1", "accuracy",
          with_kernels(expm1=lambda original, x: np.asarray(np.exp(x) - 1)),
          "expm1 special.expm1"),
    fault("F77", "hypot overflows in its squares", "special values",
          with_kernels(hypot=_naive_hypot), "hypot"),
    fault("F78", "logaddexp overflows in its exponentials", "special values",
          with_kernels(logaddexp=_naive_logaddexp, logaddexp_real=_naive_logaddexp), "logaddexp"),
    fault("F79", "results below the smallest normal number are flushed to 0", "special values",
          with_kernels(mul=_flushed, add=_flushed), "mul add", "subnormal"),
    fault("F80", "nan equals nan", "special values", with_kernels(eq=_nan_equals), "eq", "nan"),
    fault("F81", "where blends, so that nan leaks from what is not chosen", "special values",
          with_kernels(where=_blended), "where", "nan"),
    fault("F82", "float32 division by a refined estimate", "accuracy",
          with_kernels(div=_reciprocal_estimate), "div true_divide"),
    fault("F83", "nan_to_num leaves -inf", "special values",
          with_kernels(nan_to_num=_no_negative_infinity), "nan_to_num"),
    fault("F84", "float16 means add up in float16", "accuracy", with_kernels(mean=_half_mean),
          "mean"),
    fault("F85", "the variance in one pass, which cancels", "accuracy",
          with_kernels(var=_one_pass_var), "var"),
    fault("F86", "std ignores the correction", "reductions", with_kernels(std=_population_std),
          "std"),
    fault("F87", "all of nothing is False", "reductions", with_kernels(all=_false_if_empty),
          "all", "empty"),
    fault("F88", "sums of long rows leave out the end", "reductions",
          with_kernels(sum=_short_sum), "sum", "large long"),
    fault("F89", "float32 sums add up one by one", "accuracy", with_kernels(sum=_naive_sum),
          "sum", "accuracy"),
    fault("F90", "cummax gives the first place of equal elements", "sorting",
          with_kernels(cummax=_first_position), "cummax"),
)  # fmt: skip
