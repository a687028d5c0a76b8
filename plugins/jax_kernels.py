"""Kernels over JAX arrays, where JAX has what the array API standard has not, or does it better."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special as special
import numpy as np
from jax import lax
from jax.scipy.linalg import expm

from ..backends.base import Kernel
from ..backends.device import Device
from .jax_program import failed

__all__ = ["INTO", "bitcast", "cast", "kernels", "wrap"]

Sizes = tuple[int, ...]
Indices = tuple[Any, ...]
Wrap = Callable[..., Any]

# --- bits and types -------------------------------------------------------------------------------


def bitcast(array: Any, dtype: np.dtype) -> Any:
    """The bits as another type; the last dimension scales with the sizes of the types."""
    source = array.dtype
    if source == dtype:
        return array
    if source.kind == "c":  # as pairs of numbers
        pairs = jnp.stack([array.real, array.imag], axis=-1)
        return bitcast(_merged(pairs) if array.ndim else pairs, dtype)
    if dtype.kind == "c":
        parts = _split(bitcast(array, np.dtype(f"f{dtype.itemsize // 2}")), 2)
        return lax.complex(parts[..., 0], parts[..., 1])
    if source == np.bool_:
        return bitcast(array.astype(np.uint8), dtype)
    if dtype == np.bool_:
        return bitcast(array, np.dtype(np.uint8)).astype(np.bool_)
    if source.itemsize < dtype.itemsize:
        array = _split(array, dtype.itemsize // source.itemsize)
    found = lax.bitcast_convert_type(array, dtype)
    return _merged(found) if source.itemsize > dtype.itemsize else found


def _merged(array: Any) -> Any:
    """The last two dimensions as one."""
    *rest, rows, columns = array.shape
    return array.reshape(*rest, rows * columns)


def _split(array: Any, count: int) -> Any:
    """The last dimension as rows of ``count``."""
    *rest, size = array.shape
    return array.reshape(*rest, size // count, count)


def cast(array: Any, dtype: np.dtype) -> Any:
    """Another type: floats are cut to ints, complex loses its imaginary part (but to bool)."""
    if array.dtype.kind == "c" and dtype.kind != "c":
        if dtype == np.bool_:
            return array != 0
        array = array.real
    return array.astype(dtype)


def _widened(function: Callable[..., Any]) -> Kernel:
    """A function of arrays and attributes, with float32 in place of 16-bit types inside."""

    def kernel(*args: Any) -> Any:
        dtype = args[0].dtype
        if dtype.itemsize != 2 or not jnp.issubdtype(dtype, jnp.floating):
            return function(*args)
        wide = (arg.astype(np.float32) if hasattr(arg, "astype") else arg for arg in args)
        return function(*wide).astype(dtype)

    return kernel


# --- by position ----------------------------------------------------------------------------------


def wrap(index: Any, low: int, size: int) -> tuple[Any, Any]:
    """Whether an index lies outside of [low, size), and all of them made non-negative."""
    outside = jnp.any((index < low) | (index >= size))
    return outside, jnp.where(index < 0, index + size, index)


def _along(wrap_index: Wrap, x: Any, dim: int, index: Any) -> tuple[Any, tuple[Any, ...]]:
    """``x`` with at least one dimension, and the key of the elements that ``index`` picks."""
    if not x.ndim:
        x, index = x.reshape(1), jnp.atleast_1d(index)
    index = jnp.atleast_1d(index)
    dim = dim % x.ndim
    key: list[Any] = list(jnp.ogrid[tuple(slice(size) for size in index.shape)])
    key[dim] = wrap_index(index, dim, x.shape[dim], 0)
    return x, tuple(key)


def _gather(wrap_index: Wrap) -> Kernel:
    def gather(x: Any, dim: int, index: Any) -> Any:
        array, key = _along(wrap_index, x, dim, index)
        return array[key].reshape(index.shape)

    return gather


def _scatter(wrap_index: Wrap, add: bool) -> Kernel:
    def scatter(x: Any, source: Any, dim: int, index: Any) -> Any:
        array, key = _along(wrap_index, x, dim, index)
        source = jnp.asarray(source, x.dtype)
        if source.ndim:
            source = source[tuple(slice(size) for size in index.shape)]
        elif index.ndim == 0:
            source = source.reshape(1)
        if add:
            return _added(array, key, source).reshape(x.shape)
        return array.at[key].set(source).reshape(x.shape)

    return scatter


def _added(x: Any, key: Any, values: Any) -> Any:
    """``x[key] += values``, counting repeated places; 16-bit numbers are added up in float32."""
    if x.dtype == np.bool_:
        return x.at[key].max(values)
    if x.dtype.itemsize == 2 and jnp.issubdtype(x.dtype, jnp.floating):
        return x.astype(np.float32).at[key].add(values.astype(np.float32)).astype(x.dtype)
    return x.at[key].add(values)


def _key(wrap_index: Wrap, shape: Sizes, indices: Indices) -> tuple[Any, ...]:
    return tuple(
        slice(None) if index is None else wrap_index(index, dim, shape[dim])
        for dim, index in enumerate(indices)
    )


def _index_get(wrap_index: Wrap) -> Kernel:
    return lambda x, indices: x[_key(wrap_index, x.shape, indices)]


def _index_put(wrap_index: Wrap) -> Kernel:
    def index_put(x: Any, values: Any, indices: Indices, accumulate: bool) -> Any:
        key = _key(wrap_index, x.shape, indices)
        values = jnp.asarray(values, x.dtype)
        return _added(x, key, values) if accumulate else x.at[key].set(values)

    return index_put


def _index_select(wrap_index: Wrap) -> Kernel:
    return lambda x, dim, index: jnp.take(x, wrap_index(index, dim, x.shape[dim], 0), axis=dim)


def _index_add(wrap_index: Wrap) -> Kernel:
    def index_add(x: Any, source: Any, dim: int, index: Any) -> Any:
        key = (*(slice(None),) * dim, wrap_index(index, dim, x.shape[dim], 0))
        return _added(x, key, source)

    return index_add


def _nonzero(x: Any) -> tuple[Any, ...]:
    return tuple(index.astype(np.int64) for index in jnp.nonzero(jnp.atleast_1d(x)))


# --- on the host ----------------------------------------------------------------------------------


def _on_host(name: str) -> Kernel:
    """A function that neither JAX nor XLA has; works inside traced functions too."""

    def kernel(*args: Any) -> Any:
        arrays = [arg for arg in args if hasattr(arg, "shape")]
        attributes = args[len(arrays) :]

        def compute(*arrays: Any) -> np.ndarray:
            kernel = getattr(Device("cpu").F, name)  # its handles are NumPy arrays
            found: np.ndarray = np.asarray(kernel(*map(np.asarray, arrays), *attributes))
            return found

        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        out = jax.ShapeDtypeStruct(shape, arrays[0].dtype)
        return jax.pure_callback(compute, out, *arrays, vmap_method="broadcast_all")

    return kernel


# --- convolution ----------------------------------------------------------------------------------


def _convolve(
    x: Any, weight: Any, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Any:
    return lax.conv_general_dilated(
        x, weight, stride, [(p, p) for p in padding], rhs_dilation=dilation,
        feature_group_count=groups, precision=lax.Precision.HIGHEST,
    )  # fmt: skip


def _convolution(
    x: Any, weight: Any, bias: Any, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Any:
    found = _convolve(x, weight, stride, padding, dilation, groups)
    return found if bias is None else found + bias.reshape(-1, *(1,) * len(stride))


def _convolution_input(
    y: Any, weight: Any, size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Any:
    """The convolution of ``y``, spread out by ``stride``, with the mirrored kernel."""
    outputs, depth, *kernel = weight.shape
    turned = weight.reshape(groups, outputs // groups, depth, *kernel).swapaxes(1, 2)
    turned = lax.rev(turned, range(3, turned.ndim))
    borders = []
    for n, m, k, s, p, d in zip(size, y.shape[2:], kernel, stride, padding, dilation, strict=True):
        reach = d * (k - 1)
        borders.append((reach - p, n - (m - 1) * s - 1 + p))
    return lax.conv_general_dilated(
        y, turned.reshape(groups * depth, outputs // groups, *kernel), (1,) * len(size), borders,
        lhs_dilation=stride, rhs_dilation=dilation, feature_group_count=groups,
        precision=lax.Precision.HIGHEST,
    )  # fmt: skip


def _convolution_weight(
    x: Any, y: Any, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Any:
    weight = jax.ShapeDtypeStruct((y.shape[1], x.shape[1] // groups, *kernel), x.dtype)
    first = tuple(map(slice, y.shape))  # there may be more windows than y has
    (found,) = jax.linear_transpose(
        lambda weight: _convolve(x, weight, stride, padding, dilation, groups)[first], weight
    )(y)
    return found


def _remainder(x: Any, y: Any) -> Any:
    """A zero takes the sign of the divisor, where jnp's keeps that of the dividend."""
    rest = jnp.remainder(x, y)
    if not jnp.issubdtype(rest.dtype, jnp.floating):
        return rest
    return jnp.where(rest == 0, jnp.copysign(jnp.zeros_like(rest), y), rest)


# --- special functions ----------------------------------------------------------------------------


def _lgamma(x: Any) -> Any:
    return jnp.where(x == -jnp.inf, x, special.gammaln(x))


def _digamma(x: Any) -> Any:
    return jnp.where(x == 0, jnp.copysign(jnp.inf, -x), special.digamma(x))


def _scan(function: Callable[..., Any]) -> Kernel:
    """A running sum or product."""
    return _widened(lambda x, dim: function(x, axis=dim) if x.ndim else x)


# --- the table ------------------------------------------------------------------------------------

_SPECIAL = {
    name: _widened(getattr(special, name))
    for name in ("erf", "erfc", "erfinv", "i0", "i0e", "i1", "i1e", "ndtr", "ndtri",
                 "log_ndtr", "zeta")
}  # fmt: skip
_SQUARINGS = 64  # matrices of larger norms than 2 ** 64 give nan
_BY_HOST = ("erfcx", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1")


def _sided(function: Kernel, real: bool, turned: bool = False) -> Kernel:
    """Complex results with the signs of the argument's parts, which say on what side of a cut it
    is: XLA takes no notice of zeros with a sign (JAX 0.10). The real part's only with ``real``; the
    imaginary part's ``turned`` where the function turns it.
    """

    def kernel(x: Any) -> Any:
        found = function(x)
        if not jnp.iscomplexobj(x):
            return found
        b = jnp.copysign(found.imag, -x.imag if turned else x.imag)
        return lax.complex(jnp.copysign(found.real, x.real) if real else found.real, b)

    return kernel


_SIDED: dict[str, Kernel] = {
    "sqrt": _sided(jnp.sqrt, False), "acos": _sided(jnp.arccos, False, turned=True),
    "acosh": _sided(jnp.arccosh, False), "asin": _sided(jnp.arcsin, True),
    "asinh": _sided(jnp.arcsinh, True), "atan": _sided(jnp.arctan, True),
    "atanh": _sided(jnp.arctanh, True),
}  # fmt: skip

INTO: dict[str, Kernel] = {
    "add": jnp.add, "sub": jnp.subtract, "mul": jnp.multiply, "div": jnp.divide,
    "maximum": jnp.maximum, "minimum": jnp.minimum, "neg": jnp.negative, "abs": jnp.abs,
    "square": jnp.square, "reciprocal": jnp.reciprocal, "sqrt": _SIDED["sqrt"], "rsqrt": lax.rsqrt,
    "exp": jnp.exp, "log": jnp.log, "sin": jnp.sin, "cos": jnp.cos, "tanh": jnp.tanh,
    "relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "floor": jnp.floor, "ceil": jnp.ceil,
}  # fmt: skip
"""Elementwise functions that may compute into the memory of their first argument."""


def _solvable(kernel: Kernel, problem: str) -> Kernel:
    """A kernel of matrices that raises where JAX makes inf or nan of finite numbers."""

    def checked(*matrices: Any) -> Any:
        found = kernel(*matrices)
        finite = jnp.all(jnp.array([jnp.all(jnp.isfinite(matrix)) for matrix in matrices]))
        if failed((finite & ~jnp.all(jnp.isfinite(found)),)):
            raise np.linalg.LinAlgError(problem)
        return found

    return checked


# One triangle is read, as in PyTorch; JAX takes the mean of both unless told otherwise.
_MATRICES: dict[str, Kernel] = {
    "eigh": lambda x: tuple(jnp.linalg.eigh(x, symmetrize_input=False)),
    "eigvalsh": lambda x: jnp.linalg.eigvalsh(x, symmetrize_input=False),
    "cholesky": _solvable(
        lambda x: jnp.linalg.cholesky(x, symmetrize_input=False),
        "Matrix is not positive definite",
    ),
    "inv": _solvable(jnp.linalg.inv, "Singular matrix"),
    "solve": _solvable(jnp.linalg.solve, "Singular matrix"),
}


def kernels(wrap_index: Wrap) -> dict[str, Kernel]:
    """All kernels of this file; ``wrap_index`` is the backend's."""
    return {
        **_SPECIAL,
        **_SIDED,
        **_MATRICES,
        **{name: _on_host(name) for name in _BY_HOST},
        "lgamma": _widened(_lgamma),
        "digamma": _widened(_digamma),
        "igamma": _widened(special.gammainc),
        "igammac": _widened(special.gammaincc),
        "polygamma": _on_host("polygamma"),  # JAX's has six digits
        "gather": _gather(wrap_index),
        "scatter": _scatter(wrap_index, add=False),
        "scatter_add": _scatter(wrap_index, add=True),
        "index_get": _index_get(wrap_index),
        "index_put": _index_put(wrap_index),
        "index_select": _index_select(wrap_index),
        "index_add": _index_add(wrap_index),
        "nonzero": _nonzero,
        "convolution": _widened(_convolution),
        "convolution_input": _widened(_convolution_input),
        "convolution_weight": _widened(_convolution_weight),
        "matmul": lambda x, y: jnp.matmul(x, y, precision=lax.Precision.HIGHEST),
        "remainder": _remainder,
        "complex": lambda x, y: lax.complex(*jnp.broadcast_arrays(x, y)),
        "matrix_exp": lambda x: expm(x, max_squarings=_SQUARINGS),
        "cumsum": _scan(jnp.cumsum),
        "cumprod": _scan(jnp.cumprod),
        "gcd": jnp.gcd,
        "lcm": jnp.lcm,
        "isnan": jnp.isnan,
        "isinf": jnp.isinf,
        "isfinite": jnp.isfinite,
        "signbit": jnp.signbit,
        # exp2 of JAX 0.10 is exp(x log 2), which loses digits of large exponents.
        "exp2": lambda x: jnp.power(jnp.asarray(2, x.dtype), x),
        "rsqrt": lax.rsqrt,
    }
