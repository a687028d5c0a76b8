"""Printing: tensors look exactly as in PyTorch, and a large one is cut before it is copied."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .autograd.errors import OpTypeError, OpValueError
from .autograd.tensor import Tensor
from .backends import dtypes
from .backends.errors import ValuesError

__all__ = [
    "get_printoptions",
    "printoptions",
    "set_printoptions",
    "tensor_format",
    "tensor_repr",
]


@dataclass
class _Options:
    """How numbers are shown; see :func:`set_printoptions`."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_options = _Options()

_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose how tensors are printed; what is None stays as it is, but for ``sci_mode``.

    Args:
        precision: digits after the point (4 at first).
        threshold: tensors with more elements are summarised (1000).
        edgeitems: how many items a summary shows at each end of a dimension (3).
        linewidth: characters per line (80).
        profile: ``"default"``, ``"short"`` or ``"full"``, values for the four above.
        sci_mode: scientific notation: True, False, or None to choose by the values.

    Raises:
        ValueError: there is no such profile.
        TypeError: one of the first four is no number.

    Example:
        >>> tp.set_printoptions(precision=2)
        >>> tp.tensor([1.2345])
        tensor([1.23])
        >>> tp.set_printoptions(profile="default")
    """
    if profile is not None and profile not in _PROFILES:
        raise OpValueError(
            f"set_printoptions: expected one of {', '.join(_PROFILES)} as profile, got {profile!r}",
            op="set_printoptions",
        )
    chosen = dict(_PROFILES[profile]) if profile is not None else {}
    given: dict[str, Any] = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    for name, value in given.items():
        if value is not None and (isinstance(value, str) or not hasattr(value, "__float__")):
            raise OpTypeError(
                f"set_printoptions: expected a number as {name}, got {value!r}; leave it out to "
                "keep what is set",
                op="set_printoptions",
            )
    chosen |= {name: value for name, value in given.items() if value is not None}
    for name, value in chosen.items():
        setattr(_options, name, value)
    _options.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options in force, as keyword arguments of :func:`set_printoptions`."""
    return asdict(_options)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Other options inside a ``with`` block; the arguments of :func:`set_printoptions`.

    Example:
        >>> with tp.printoptions(precision=1):
        ...     print(tp.tensor([1.25, 3.0]))
        tensor([1.2, 3.0])
    """
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


# --- one number ----------------------------------------------------------------------------------


class _Formatter:
    """Gives all numbers of one tensor the same notation and width."""

    def __init__(self, values: np.ndarray) -> None:
        self.floating = values.dtype.kind == "f"
        self.whole = True
        self.scientific = False
        self.width = 1
        flat = values.reshape(-1)
        if not self.floating:
            self.width = max([1, *(len(str(value)) for value in flat.tolist())])
            return
        shown = flat[np.isfinite(flat) & (flat != 0)]
        if shown.size == 0:
            return
        self.whole = bool(np.all(shown == np.ceil(shown)))
        self.scientific = _scientific(np.abs(shown))
        # Infinities and zeros do not count for the width, nor does the point of a whole number
        # in scientific notation.
        self.width = max([1, *(len(self._text(value)) for value in shown.tolist())])

    def _text(self, value: float) -> str:
        if self.scientific:
            return f"{value:.{_options.precision}e}"
        if self.whole:
            return f"{value:.0f}" + ("." if math.isfinite(value) else "")
        return f"{value:.{_options.precision}f}"

    def __call__(self, value: Any) -> str:
        text = self._text(value) if self.floating else str(value)
        return text.rjust(self.width)


def _scientific(sizes: np.ndarray) -> bool:
    if _options.sci_mode is not None:
        return _options.sci_mode
    low, high = float(sizes.min()), float(sizes.max())
    return high / low > 1000.0 or high > 1.0e8 or low < 1.0e-4


class _ComplexFormatter:
    """Real and imaginary parts, each with a notation and width of its own."""

    def __init__(self, values: np.ndarray) -> None:
        self.real, self.imag = _Formatter(values.real), _Formatter(values.imag)
        self.width = self.real.width + self.imag.width + 1

    def __call__(self, value: complex) -> str:
        imag = self.imag(value.imag).lstrip() + "j"
        sign = "" if imag[0] in "+-" else "+"
        return self.real(value.real) + sign + imag


# --- the numbers of a tensor ---------------------------------------------------------------------


def _edges(tensor: Tensor, handle: Any, dim: int) -> np.ndarray:
    """The values that a summary shows, and nothing else, on the host."""
    backend = tensor._device.backend
    if dim == len(handle.shape):
        return backend.to_host(handle)
    size, edge = handle.shape[dim], _options.edgeitems
    if size <= 2 * edge:
        return _edges(tensor, handle, dim + 1)
    before = (slice(None),) * dim
    first = backend.index(handle, (*before, slice(0, edge)))
    last = backend.index(handle, (*before, slice(size - edge, size)))
    return np.concatenate([_edges(tensor, first, dim + 1), _edges(tensor, last, dim + 1)], axis=dim)


def _wide(values: np.ndarray, dtype: dtypes.DType) -> np.ndarray:
    """Floating-point types as Python's float and complex, which hold their values exactly."""
    if dtype.is_inexact:
        return values.astype(np.complex128 if dtype.is_complex else np.float64)
    return values


def _vector(values: np.ndarray, cut: tuple[bool, ...], formatter: Any, indent: int) -> str:
    texts = [formatter(value) for value in values.tolist()]
    if cut[0]:
        edge = _options.edgeitems
        texts = [*texts[:edge], " ..." if edge else "...", *texts[edge:]]
    per_line = max(1, (_options.linewidth - indent) // (formatter.width + 2))
    lines = [", ".join(texts[at : at + per_line]) for at in range(0, len(texts), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _nested(values: np.ndarray, cut: tuple[bool, ...], formatter: Any, indent: int) -> str:
    """Brackets around brackets; ``cut`` says of which dimensions only the edges are there."""
    if values.ndim == 0:
        return str(formatter(values.item()))
    if values.ndim == 1:
        return _vector(values, cut, formatter, indent)
    parts = [_nested(value, cut[1:], formatter, indent + 1) for value in values]
    if cut[0]:
        parts.insert(_options.edgeitems, "...")
    return "[" + (("," + "\n" * (values.ndim - 1)) + " " * (indent + 1)).join(parts) + "]"


def _contents(tensor: Tensor, indent: int) -> str:
    shape = tuple(tensor._h.shape)
    edge = _options.edgeitems
    summarize = math.prod(shape) > _options.threshold
    cut = tuple(summarize and size > 2 * edge for size in shape)
    if summarize and shape and not edge:
        return "[...]"
    try:
        values = (
            _edges(tensor, tensor._h, 0) if summarize else tensor._device.backend.to_host(tensor._h)
        )
    except ValuesError:  # while a program is traced
        return f"<values not known yet>, size={list(shape)}"
    values = _wide(values, tensor._dtype)
    formatter = (_ComplexFormatter if tensor._dtype.is_complex else _Formatter)(values)
    return _nested(values, cut, formatter, indent)


# --- the whole text ------------------------------------------------------------------------------


def _suffixes(tensor: Tensor) -> list[str]:
    shape, dtype = tuple(tensor._h.shape), tensor._dtype
    default = dtypes.default_float()
    found = []
    if tensor._device.type != "cpu":
        found.append(f"device='{tensor._device}'")
    empty = 0 in shape
    if (empty and len(shape) != 1) or (not empty and not _options.edgeitems):
        found.append(f"size={shape}")
    # An empty tensor has no elements that would tell int64 or bool.
    obvious = (default,) if empty else (default, default.to_complex(), dtypes.int64, dtypes.bool_)
    if dtype not in obvious:
        found.append(f"dtype={dtype!r}")
    node = tensor.grad_fn
    if node is not None:
        found.append(f"grad_fn=<{type(node).__name__}>")
    elif tensor.requires_grad:
        found.append("requires_grad=True")
    return found


def tensor_repr(tensor: Tensor) -> str:
    """The text of ``repr(tensor)`` and ``str(tensor)``.

    Example:
        >>> print(tp.ones(2, 2, dtype=tp.float64))
        tensor([[1., 1.],
                [1., 1.]], dtype=tensorplug.float64)
    """
    prefix = "tensor("
    indent = len(prefix)
    text = prefix + ("[]" if 0 in tensor._h.shape else _contents(tensor, indent))
    last_line = len(text) - text.rfind("\n") + 1
    for suffix in _suffixes(tensor):
        if last_line + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * indent + suffix
            last_line = indent + len(suffix)
        else:
            text += ", " + suffix
            last_line += len(suffix) + 2
    text += ")"
    return "Parameter containing:\n" + text if tensor._is_parameter else text


def tensor_format(tensor: Tensor, spec: str) -> str:
    """``format(tensor, spec)``: a 0-d tensor is formatted as its number.

    Raises:
        TypeError: there is a ``spec`` and the tensor has dimensions.

    Example:
        >>> f"{tp.tensor(2.5):.3f}"
        '2.500'
    """
    if tensor._h.shape or (tensor._is_parameter and not spec):
        return object.__format__(tensor, spec)
    return format(_wide(tensor._device.backend.to_host(tensor._h), tensor._dtype).item(), spec)


# The class leaves printing to this file.
Tensor.__repr__ = tensor_repr  # type: ignore[method-assign,assignment]  # made here
Tensor.__format__ = tensor_format  # type: ignore[method-assign,assignment]  # made here
