"""Data types: one object per type, PyTorch's names and PyTorch's promotion rules.

A :class:`DType` is device-neutral. Backends translate it to their array library's own type
through :meth:`tensorplug.backends.Backend.native_dtype`.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

__all__ = [
    "ALIASES",
    "ALL",
    "STORED",
    "DType",
    "bfloat16",
    "bool_",
    "category",
    "complex64",
    "complex128",
    "default_complex",
    "default_float",
    "finfo",
    "float8_e4m3fn",
    "float8_e5m2",
    "float16",
    "float32",
    "float64",
    "from_numpy",
    "iinfo",
    "int8",
    "int16",
    "int32",
    "int64",
    "promote",
    "set_default_float",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]


class DType:
    """An element type such as ``tp.float32``; compare with ``is`` or ``==``.

    ``kind`` is one of ``"bool"``, ``"uint"``, ``"int"``, ``"float"``, ``"complex"``;
    ``itemsize`` is in bytes; ``numpy`` is the matching NumPy dtype (ml_dtypes for bfloat16).
    """

    __slots__ = (
        "_order",
        "is_complex",
        "is_floating_point",
        "is_inexact",
        "is_signed",
        "itemsize",
        "kind",
        "name",
        "numpy",
    )

    def __init__(self, name: str, kind: str, numpy_dtype: Any, order: int) -> None:
        self.name = name
        self.kind = kind
        self.numpy = np.dtype(numpy_dtype)
        self.itemsize: int = self.numpy.itemsize
        self.is_floating_point = kind == "float"
        self.is_complex = kind == "complex"
        self.is_inexact = kind in ("float", "complex")
        self.is_signed = kind in ("int", "float", "complex")
        self._order = order

    def __repr__(self) -> str:
        return f"tensorplug.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_by_name, (self.name,))

    def to_real(self) -> DType:
        """The real type of the same precision: ``complex64 -> float32``; itself when real."""
        return _TO_REAL.get(self, self)

    def to_complex(self) -> DType:
        """The complex type of the same precision: ``float64 -> complex128``."""
        return self if self.is_complex else (complex128 if self is float64 else complex64)


bool_ = DType("bool", "bool", np.bool_, 0)
uint8 = DType("uint8", "uint", np.uint8, 1)
int8 = DType("int8", "int", np.int8, 2)
int16 = DType("int16", "int", np.int16, 3)
int32 = DType("int32", "int", np.int32, 4)
int64 = DType("int64", "int", np.int64, 5)
uint16 = DType("uint16", "uint", np.uint16, 6)
uint32 = DType("uint32", "uint", np.uint32, 7)
uint64 = DType("uint64", "uint", np.uint64, 8)
float16 = DType("float16", "float", np.float16, 9)
bfloat16 = DType("bfloat16", "float", ml_dtypes.bfloat16, 10)
float32 = DType("float32", "float", np.float32, 11)
float64 = DType("float64", "float", np.float64, 12)
complex64 = DType("complex64", "complex", np.complex64, 13)
complex128 = DType("complex128", "complex", np.complex128, 14)

float8_e4m3fn = DType("float8_e4m3fn", "float", ml_dtypes.float8_e4m3fn, 15)
float8_e5m2 = DType("float8_e5m2", "float", ml_dtypes.float8_e5m2, 16)

ALL: tuple[DType, ...] = (
    bool_, uint8, int8, int16, int32, int64, uint16, uint32, uint64,
    float16, bfloat16, float32, float64, complex64, complex128,
)  # fmt: skip

STORED: tuple[DType, ...] = (float8_e4m3fn, float8_e5m2)
"""Types to keep values in and to cast from and to, as in PyTorch; no op computes with them."""

ALIASES: dict[str, DType] = {
    "half": float16,
    "float": float32,
    "double": float64,
    "cfloat": complex64,
    "cdouble": complex128,
    "short": int16,
    "int": int32,
    "long": int64,
    "bool": bool_,
}
"""torch's second names; ``tp.bool`` too, because ``bool`` cannot be a name in this module."""

_TO_REAL = {complex64: float32, complex128: float64}
_BY_NAME = {dtype.name: dtype for dtype in ALL + STORED} | ALIASES
_BY_NUMPY = {dtype.numpy: dtype for dtype in ALL + STORED}


def _by_name(name: str) -> DType:
    return _BY_NAME[name]


def from_numpy(numpy_dtype: Any) -> DType:
    """The :class:`DType` of a NumPy dtype.

    Raises:
        TypeError: NumPy's type has no counterpart here (strings, objects, dates, float128).
    """
    try:
        return _BY_NUMPY[np.dtype(numpy_dtype).newbyteorder("=")]
    except (KeyError, TypeError):
        supported = ", ".join(dtype.name for dtype in ALL)
        raise TypeError(
            f"dtype: expected one of {supported}, got NumPy's {numpy_dtype}; "
            "convert it first, for example with .astype('float32')"
        ) from None


# --- promotion: https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc

_CATEGORY = {"bool": 0, "uint": 1, "int": 1, "float": 2, "complex": 3}
_INTEGERS = (uint8, int8, int16, int32, int64)


def category(dtype: DType) -> int:
    """0 bool, 1 integer, 2 floating, 3 complex: what decides between a tensor and a number."""
    return _CATEGORY[dtype.kind]


def _promote_integers(a: DType, b: DType) -> DType:
    if a.kind == b.kind:
        return a if a.itemsize >= b.itemsize else b
    unsigned, signed = (a, b) if a.kind == "uint" else (b, a)
    if unsigned.itemsize < signed.itemsize:
        return signed
    wider = {1: int16, 2: int32, 4: int64}.get(unsigned.itemsize)
    if wider is None:
        raise TypeError(
            f"promotion: expected types with a common one, got {a.name} and {b.name}; "
            "cast one of them with .to(dtype)"
        )
    return wider


def _promote(a: DType, b: DType) -> DType:
    if a is b:
        return a
    if a in STORED or b in STORED:
        raise TypeError(
            f"promotion: expected types to compute with, got {a.name} and {b.name}; "
            "cast the 8-bit one first, for example with .to(tp.float32)"
        )
    low, high = sorted((a, b), key=lambda dtype: (category(dtype), dtype.itemsize))
    if category(low) < category(high):
        if high.is_complex and low is float64:
            return complex128
        return high
    if high.kind in ("uint", "int"):
        return _promote_integers(a, b)
    if high.itemsize == low.itemsize:  # float16 with bfloat16
        return float32
    return high


_TABLE: dict[tuple[DType, DType], DType] = {}


def promote(a: DType, b: DType) -> DType:
    """The type that holds both, as ``torch.promote_types``.

    Unlike torch, ``uint16``, ``uint32`` and ``uint64`` promote too, by the array API's table.

    Raises:
        TypeError: no common type exists (``uint64`` with a signed integer).
    """
    try:
        return _TABLE[a, b]
    except KeyError:
        return _TABLE.setdefault((a, b), _promote(a, b))


_default = [float32]  # a cell, so that every module reads the current value


def default_float() -> DType:
    """The type of Python floats and of integer division: float32 unless changed."""
    return _default[0]


def default_complex() -> DType:
    """The complex type that goes with :func:`default_float`."""
    return _default[0].to_complex()


def set_default_float(dtype: DType) -> None:
    """Set the type that :func:`default_float` returns.

    Raises:
        TypeError: ``dtype`` is not a floating-point type.
    """
    if not isinstance(dtype, DType) or not dtype.is_floating_point:
        raise TypeError(
            f"set_default_dtype: expected a floating-point dtype, got {dtype!r}; "
            "use float16, bfloat16, float32 or float64"
        )
    _default[0] = dtype


class finfo:
    """Limits of a floating-point (or of a complex type's real) dtype, as ``torch.finfo``."""

    def __init__(self, dtype: DType | None = None) -> None:
        dtype = (dtype or default_float()).to_real()
        if not dtype.is_floating_point:
            raise TypeError(f"finfo: expected a floating-point dtype, got {dtype}; see iinfo")
        info = ml_dtypes.finfo(dtype.numpy)
        self.dtype = dtype
        self.bits = int(info.bits)
        self.eps = float(info.eps)
        self.max = float(info.max)
        self.min = float(info.min)
        self.tiny = float(info.smallest_normal)
        self.smallest_normal = self.tiny
        self.resolution = 10.0 ** -int(info.precision)

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.tiny:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype.name})"
        )


class iinfo:
    """Limits of an integer dtype, as ``torch.iinfo``."""

    def __init__(self, dtype: DType) -> None:
        if dtype.kind not in ("int", "uint"):
            raise TypeError(f"iinfo: expected an integer dtype, got {dtype}; see finfo")
        info = np.iinfo(dtype.numpy)
        self.dtype = dtype
        self.bits = int(info.bits)
        self.min = int(info.min)
        self.max = int(info.max)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype.name})"
