"""Functions and ufuncs of the stand-in: NumPy's, with the signatures and the loops of CuPy's."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from ._array import check, ndarray

NAMES = json.loads((Path(__file__).parent / "names.json").read_text())

_HOST = (np.ndarray, list)


def _raw(value: Any) -> Any:
    if isinstance(value, ndarray):
        return value._a
    if isinstance(value, (tuple, list)):
        return type(value)(_raw(item) for item in value)
    return value


def _arrays(values: Any) -> list[ndarray]:
    found = []
    for value in values:
        if isinstance(value, ndarray):
            found.append(value)
        elif isinstance(value, (tuple, list)):
            found += _arrays(value)
    return found


def give(found: Any, inputs: list[ndarray]) -> Any:
    """A result as CuPy gives it: always arrays, views where NumPy's are."""
    if isinstance(found, tuple):
        kind = type(found)
        items = [give(item, inputs) for item in found]
        return kind(*items) if hasattr(kind, "_fields") else tuple(items)
    if isinstance(found, np.ndarray) and found.size:
        for array in inputs:
            if found is array._a:
                return array
            if np.may_share_memory(found, array._a):
                return ndarray.around(found, array)
    if isinstance(found, (np.ndarray, np.generic)):
        return ndarray.new(found)
    return found


def function(name: str, plain: Any, signature: list[str] | None, work: bool = True) -> Any:
    """NumPy's function ``plain`` behind the argument names of CuPy's."""

    def call(*args: Any, **kwargs: Any) -> Any:
        unknown = set(kwargs) - set(signature or ()) - {"out"} if signature else set()
        if unknown and "kwargs" not in (signature or ()):
            raise TypeError(f"{name}: CuPy has no argument {unknown}")
        inputs = _arrays([*args, *kwargs.values()])
        if work:
            check(*inputs)
        out = kwargs.pop("out", None)
        for value in (*args, *kwargs.values()):
            assert not isinstance(value, np.ndarray), f"{name}: an array of the host"
        kwargs = {key: _raw(value) for key, value in kwargs.items()}
        with np.errstate(all="ignore"):
            found = give(plain(*[_raw(arg) for arg in args], **kwargs), inputs)
        if out is not None:
            assert isinstance(out, ndarray)
            assert out.shape == found.shape and out.dtype == found.dtype, "an out that fits"
            out._a[...] = found._a
            return out
        return found

    call.__name__ = name
    return call


# --- ufuncs -------------------------------------------------------------------------------------


def _loops(lines: list[str]) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    loops = []
    for line in lines:
        ins, outs = (part.strip(",").split(",") for part in line.split(">"))
        if not any(name.startswith("|") for name in (*ins, *outs)):
            loops.append((tuple(map(_type, ins)), tuple(map(_type, outs))))
    return loops


def _type(name: str) -> Any:
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


_FITS = {bool: "biufcV", int: "iufcV", float: "fcV", complex: "c"}


class ufunc:
    """A ufunc with CuPy's rule: the first loop that the operands can be cast to."""

    def __init__(self, name: str, plain: Any, lines: list[str]) -> None:
        self.name, self.plain, self.loops = name, plain, _loops(lines)
        self.nin = len(self.loops[0][0])
        self.nout = len(self.loops[0][1])

    def _resolve(self, operands: list[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        weak = [type(x) in _FITS for x in operands]
        strong = not all(weak)
        for ins, outs in self.loops:
            if all(
                (x.dtype == i or np.can_cast(x.dtype, i))
                if not w
                else (i.kind in _FITS[type(x)] if strong else np.can_cast(type(x), i))
                for x, w, i in zip(operands, weak, ins, strict=True)
            ):
                return ins, outs
        kinds = [getattr(x, "dtype", type(x)) for x in operands]
        raise TypeError(f"Wrong type ({kinds}) of arguments for {self.name}")

    def __call__(
        self, *args: Any, out: Any = None, dtype: Any = None, casting: str = "same_kind"
    ) -> Any:
        operands, given = list(args[: self.nin]), list(args[self.nin :])
        assert len(operands) == self.nin, f"{self.name}: {self.nin} operands"
        if out is not None:
            given = list(out) if isinstance(out, tuple) else [out]
        for x in operands:
            if not isinstance(x, (ndarray, np.generic, bool, int, float, complex)):
                raise TypeError(f"Unsupported type {type(x)}")
        assert all(x is None or isinstance(x, ndarray) for x in given), "out: arrays"
        check(*operands, *given)
        ins, outs = self._resolve(operands)
        if dtype is not None:
            ins, outs = next(loop for loop in self.loops if loop[1][0] == np.dtype(dtype))
        raw = [np.asarray(_raw(x)).astype(i) for x, i in zip(operands, ins, strict=True)]
        with np.errstate(all="ignore"):
            found = self.plain(*raw)
        found = found if isinstance(found, tuple) else (found,)
        results = []
        for value, kind, into in zip(found, outs, given or [None] * len(outs), strict=True):
            value = np.asarray(value).astype(kind)
            if into is None:
                results.append(ndarray.new(value))
                continue
            if not np.can_cast(kind, into.dtype, casting):
                raise TypeError(f"Cannot cast {kind} to {into.dtype}")
            assert np.broadcast_shapes(value.shape, into.shape) == into.shape
            into._a[...] = value
            results.append(into)
        return results[0] if len(results) == 1 else tuple(results)

    def reduce(
        self, array: ndarray, axis: Any = 0, dtype: Any = None, out: Any = None,
        keepdims: bool = False,
    ) -> Any:  # fmt: skip
        if self.name not in ("add", "multiply"):
            raise NotImplementedError(f"`{self.name}.reduce` is not supported yet")
        method = NAMED["sum" if self.name == "add" else "prod"]
        return method(array, axis=axis, dtype=dtype, out=out, keepdims=keepdims)

    def accumulate(self, array: ndarray, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        if self.name not in ("add", "multiply"):
            raise NotImplementedError(f"`{self.name}.accumulate` is not supported yet")
        method = NAMED["cumsum" if self.name == "add" else "cumprod"]
        return method(array, axis=axis, dtype=dtype)

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        raise NotImplementedError("the plugin has kernels of its own")


NAMED: dict[str, Any] = {}
"""Everything the module has, by name."""


_TWO = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide",
    "floordiv": "floor_divide", "mod": "remainder", "pow": "power", "and": "bitwise_and",
    "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift",
}  # fmt: skip
_OTHER = {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
    "ge": "greater_equal", "neg": "negative", "abs": "absolute", "invert": "invert",
}  # fmt: skip
_METHODS = (
    "sum", "prod", "max", "min", "all", "any", "mean", "argsort", "sort", "take", "argmax",
    "argmin", "cumsum", "cumprod", "searchsorted", "repeat", "squeeze", "dot", "clip", "round",
    "var", "std", "conj", "diagonal", "trace", "partition",
)  # fmt: skip


def _operator(name: str, swap: bool = False) -> Any:
    def method(self: ndarray, other: Any = None) -> Any:
        if other is None:
            return NAMED[name](self)
        if isinstance(other, (np.ndarray, list)):
            raise TypeError("Unsupported type <class 'numpy.ndarray'>")
        if not isinstance(other, (ndarray, np.generic, bool, int, float, complex)):
            return NotImplemented
        return NAMED[name](other, self) if swap else NAMED[name](self, other)

    return method


def methods() -> None:
    """Give arrays the operators and the methods that are functions too."""
    for short, name in _TWO.items():
        setattr(ndarray, f"__{short}__", _operator(name))
        setattr(ndarray, f"__r{short}__", _operator(name, swap=True))
        setattr(
            ndarray,
            f"__i{short}__",
            lambda self, other, _name=name: NAMED[_name](self, other, self),
        )
    for short, name in _OTHER.items():
        setattr(ndarray, f"__{short}__", _operator(name))
    ndarray.__matmul__ = lambda self, other: NAMED["matmul"](self, other)
    ndarray.__hash__ = None
    for name in set(_METHODS) & set(NAMES["ndarray"]):
        setattr(ndarray, name, lambda self, *a, _f=NAMED[name], **k: _f(self, *a, **k))


def signature_of(plain: Any) -> list[str] | None:
    try:
        return list(inspect.signature(plain).parameters)
    except (TypeError, ValueError):
        return None
