"""A stand-in for CuPy that computes with NumPy: for tests where there is no GPU.

It has the names, the signatures and the ufunc loops of the real one (``names.json``, written by
``tests/plugins/cupy_names.py`` from an installed CuPy), refuses what CuPy refuses, compiles raw
kernels with g++ and counts transfers. It says nothing about speed, and nothing about CUDA itself.
"""

from __future__ import annotations

import builtins as _builtins
import sys as _sys
from types import ModuleType as _ModuleType
from typing import Any

import ml_dtypes as _ml_dtypes
import numpy as _np

from . import cuda as cuda
from . import _functions
from ._array import check as _check, ndarray as ndarray
from ._functions import NAMED as _NAMED, NAMES as _NAMES, function as _function
from ._functions import ufunc as ufunc
from ._raw import ElementwiseKernel as ElementwiseKernel, RawModule as RawModule

__version__ = "14.2.0"

_VIEWS = ("broadcast_to", "transpose", "moveaxis", "swapaxes", "reshape", "squeeze", "expand_dims")
_MADE = ("zeros", "ones", "empty", "full", "arange", "eye", "linspace", "tri", "identity")

for _name, _lines in _NAMES["ufuncs"].items():
    _plain = getattr(_np, _name, None)
    if "." not in _name and _plain is not None:
        _NAMED[_name] = ufunc(_name, _plain, _lines)
for _name, _signature in _NAMES["functions"].items():
    _plain = getattr(_np, _name, None)
    if _plain is not None:
        _NAMED[_name] = _function(_name, _plain, _signature, _name not in _VIEWS)


def _made(name: str) -> Any:
    plain = getattr(_np, name)

    def made(*args: Any, **kwargs: Any) -> ndarray:
        try:
            found = plain(*args, **kwargs)
        except MemoryError:  # the allocator says so, in its own way
            return empty(args[0], kwargs.get("dtype", args[-1]))
        return ndarray.new(found)

    return made


for _name in _MADE:
    _NAMED[_name] = _made(_name)


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return ndarray(shape, dtype, order=order)


def array(
    obj: Any, dtype: Any = None, copy: bool = True, order: str = "K", subok: bool = False,
    ndmin: int = 0, *, blocking: bool = False,
) -> ndarray:  # fmt: skip
    if isinstance(obj, ndarray):
        if dtype is not None and obj.dtype != dtype:
            return obj.astype(dtype)
        return obj.copy() if copy or obj.data.device_id != cuda.current() else obj
    cuda.COUNT.to_device += 1
    return ndarray.new(_np.array(obj, dtype))


def asarray(a: Any, dtype: Any = None, order: Any = None, *, blocking: bool = False) -> ndarray:
    return array(a, dtype, copy=False)


def ascontiguousarray(a: ndarray, dtype: Any = None) -> ndarray:
    assert isinstance(a, ndarray)
    _check(a)
    same = dtype is None or a.dtype == dtype
    return a if same and a.flags.c_contiguous else ndarray.new(_np.array(a._a, dtype, order="C"))


def asnumpy(a: ndarray) -> _np.ndarray:
    return a.get()


def copyto(dst: ndarray, src: Any, casting: str = "same_kind", where: Any = None) -> None:
    _check(dst, src, where)
    if isinstance(src, ndarray):
        overlaps = _np.may_share_memory(dst._a, src._a) and dst.data.ptr != src.data.ptr
        assert not overlaps or not dst.flags.c_contiguous, "memcpy between places that overlap"
        src = src._a.copy()
        if src.dtype.kind == "c" and dst.dtype.kind != "c":
            src = src.real
    with _np.errstate(all="ignore"):
        if where is None:
            _np.copyto(dst._a, src, casting=casting)
        else:
            _np.copyto(dst._a, src, casting=casting, where=where._a)


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """CuPy's is a ufunc without a loop for bfloat16."""
    assert isinstance(condition, ndarray)
    _check(condition, x, y)
    kinds = [v.dtype for v in (x, y) if hasattr(v, "dtype")]
    assert not _builtins.any(kind == _ml_dtypes.bfloat16 for kind in kinds), "where of bfloat16"
    raw = [v._a if isinstance(v, ndarray) else v for v in (x, y)]
    return ndarray.new(_np.where(condition._a != 0, *raw))


def argsort(a: ndarray, axis: int = -1, kind: Any = None) -> ndarray:
    assert kind in (None, "stable")
    assert a.dtype.kind != "V"
    _check(a)
    return ndarray.new(_np.argsort(a._a, axis=axis, kind="stable"))


def sort(a: ndarray, axis: int = -1, kind: Any = None) -> ndarray:
    assert a.dtype.kind != "V"
    _check(a)
    return ndarray.new(_np.sort(a._a, axis=axis))


def matmul(a: ndarray, b: ndarray, out: Any = None) -> ndarray:
    _check(a, b)
    half = a.dtype.kind == "V"
    assert not half or _builtins.max(a.ndim, b.ndim) < 3, "stacks of bfloat16"
    found = _product(a._a, b._a, _np.matmul)
    if out is None:
        return ndarray.new(found)
    out._a[...] = found
    return out


def dot(a: ndarray, b: ndarray, out: Any = None) -> ndarray:
    _check(a, b)
    found = ndarray.new(_product(a._a, b._a, _np.dot))
    if out is None:
        return found
    assert out.flags.c_contiguous
    out._a[...] = found._a
    return out


def _product(a: _np.ndarray, b: _np.ndarray, plain: Any) -> _np.ndarray:
    if a.dtype.itemsize == 2 and a.dtype.kind in "fV":
        return plain(a.astype("f4"), b.astype("f4")).astype(a.dtype)
    return plain(a, b)


def from_dlpack(array: Any) -> ndarray:
    if isinstance(array, ndarray):
        return array
    raise BufferError("the stand-in has no other libraries on its devices")


def may_share_memory(a: ndarray, b: ndarray, max_work: Any = None) -> bool:
    return bool(_np.may_share_memory(a._a, b._a))


def get_default_memory_pool() -> Any:
    return cuda.POOL


def get_default_pinned_memory_pool() -> Any:
    return cuda.PINNED_POOL


def einsum(subscripts: str, *operands: ndarray) -> ndarray:
    _check(*operands)
    return ndarray.new(_np.einsum(subscripts, *[x._a for x in operands]))


def broadcast_shapes(*shapes: Any) -> Any:
    return _np.broadcast_shapes(*shapes)


def result_type(*values: Any) -> Any:
    return _np.result_type(*values)


def stack(tup: Any, axis: int = 0, out: Any = None) -> ndarray:
    _check(*tup)
    return ndarray.new(_np.stack([x._a for x in tup], axis))


def _joined(name: str) -> Any:
    def reduce(a: ndarray, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        assert a.dtype.kind != "V", f"{name} of bfloat16"
        _check(a)
        with _np.errstate(all="ignore"):
            found = ndarray.new(getattr(_np, name)(a._a, axis=axis, keepdims=keepdims))
        if out is None:
            return found
        out._a[...] = found._a
        return out

    return reduce


amax = max = _joined("max")
amin = min = _joined("min")

_own = {
    name: value for name, value in globals().items()
    if not name.startswith("_") and callable(value) and name in _NAMES["functions"]
}  # fmt: skip
_NAMED.update(_own)
globals().update(_NAMED)


def _group(key: str, plain: Any) -> Any:
    found: Any = _ModuleType(f"cupy.{key}")
    for name, signature in _NAMES[key].items():
        if hasattr(plain, name):
            setattr(found, name, _function(name, getattr(plain, name), signature))
    _sys.modules[f"cupy.{key}"] = found
    return found


linalg, fft = _group("linalg", _np.linalg), _group("fft", _np.fft)
lib = type("lib", (), {"stride_tricks": type("tricks", (), {
    "as_strided": staticmethod(lambda x, shape, strides: ndarray(
        shape, x.dtype, x.data, strides))})})  # fmt: skip

for _name in (
    "bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 "
    "complex128 pi e inf nan newaxis dtype finfo iinfo generic integer floating number "
    "complexfloating inexact signedinteger unsignedinteger bool intp uintp"
).split():
    globals()[_name] = getattr(_np, _name)

_functions.methods()
