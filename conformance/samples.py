"""Sample arguments for every public function, made from the op rows.

A row's family decides the arguments; a row or function with ``samples=`` makes its own through a
:class:`SampleMaker`. Values depend on the function's name alone, not on the device, so that the
same sample can be made on ``cpu`` too.
"""

from __future__ import annotations

import builtins  # the sample maker has methods named int and bool
import math
import re
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

import tensorplug as tp
from tensorplug.autograd.registry import FUNCTIONS, Public
from tensorplug.backends.dtypes import DType

__all__ = [
    "DTYPES", "SEED", "UNSIGNED", "Case", "Sample", "SampleMaker", "cases", "describe",
    "dtypes_of", "first_cases", "is_asked", "map_tensors", "only", "other_devices", "sample",
    "samples_of", "supports", "takes", "tensors_in", "types_of",
]  # fmt: skip


class Sample(NamedTuple):
    """The arguments of one call; tensors live on the device under test."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    number: int = -1
    """Which of its function's samples it is, if it is one of them as it stands."""

    def map(self, function: Callable[[tp.Tensor], Any]) -> Sample:
        """The same arguments with ``function`` applied to every tensor."""
        return Sample(
            tuple(map_tensors(arg, function) for arg in self.args),
            map_tensors(self.kwargs, function),
            self.number,
        )

    def tensors(self) -> list[tp.Tensor]:
        """Every tensor among the arguments, those in lists too."""
        return tensors_in([*self.args, self.kwargs])

    def __repr__(self) -> str:
        parts = [describe(arg) for arg in self.args]
        parts += [f"{name}={describe(value)}" for name, value in self.kwargs.items()]
        return ", ".join(parts)


class Case(NamedTuple):
    """One public function with one dtype."""

    public: Public
    dtype: DType

    def __repr__(self) -> str:
        return f"{self.public.qualname}-{self.dtype.name}"


def map_tensors(value: Any, function: Callable[[tp.Tensor], Any]) -> Any:
    """``value`` with ``function`` applied to every tensor in it."""
    if isinstance(value, tp.Tensor):
        return function(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(item, function) for item in value))
    if type(value) in (list, tuple):
        return type(value)(map_tensors(item, function) for item in value)
    if isinstance(value, dict):
        return {name: map_tensors(item, function) for name, item in value.items()}
    return value


def tensors_in(value: Any) -> list[tp.Tensor]:
    """The tensors in a nest of lists, tuples and dicts, in order."""
    found: list[tp.Tensor] = []

    def note(x: tp.Tensor) -> tp.Tensor:
        found.append(x)
        return x

    map_tensors(value, note)
    return found


def describe(value: Any, device: str = "", limit: builtins.int = 12) -> str:
    """An argument as code that can be pasted, on ``device``; a large tensor by type and shape."""
    if isinstance(value, tp.Tensor):
        data = value.detach().cpu()
        if data.numel() <= limit or device:
            where = f", device={device!r}" if device else ""
            text = f"tp.tensor({data.tolist()}, dtype=tp.{data.dtype.name}{where})"
            # Python writes inf and nan as names that it does not know.
            return re.sub(r"(?<![\w.])(inf|nan)(?![\w.])", r"float('\1')", text)
        return f"<{data.dtype.name} tensor of shape {tuple(data.shape)}>"
    if isinstance(value, (list, tuple)):
        inner = ", ".join(describe(item, device, limit) for item in value)
        return f"[{inner}]" if isinstance(value, list) else f"({inner},)"
    if isinstance(value, DType):
        return f"tp.{value.name}"
    return repr(value)


class SampleMaker:
    """Makes tensors for ``samples=lambda t: [...]``: ``t(2, 3)`` has the dtype under test.

    Values are spread over ``domain`` without ties, so that sorting and maxima have one answer and
    finite differences meet no kink by chance; integers have ties where the domain is too narrow.
    """

    def __init__(
        self, device: str, dtype: DType, domain: tuple[float, float] | None, seed: builtins.int
    ) -> None:
        self.device, self.dtype = device, dtype
        self.domain = domain or (-2.0, 2.0)
        self.rng = np.random.default_rng(seed)

    def __call__(
        self, *shape: builtins.int, dtype: DType | None = None, lo: float | None = None,
        hi: float | None = None,
    ) -> tp.Tensor:  # fmt: skip
        dtype = dtype or self.dtype
        low, high = self.domain[0] if lo is None else lo, self.domain[1] if hi is None else hi
        if dtype.kind == "bool":
            values: Any = self.rng.integers(0, 2, shape).astype(bool)
        elif dtype.kind in ("int", "uint"):
            values = self._whole(shape, low, high, dtype)
        else:
            values = self._spread(shape, low, high)
            if dtype.is_complex:
                values = values + 1j * self._spread(shape, low, high)
        return self.put(values, dtype)

    def _whole(self, shape: Any, low: float, high: float, dtype: DType) -> np.ndarray:
        start = int(np.ceil(max(low, 0) if dtype.kind == "uint" else low))
        stop = max(int(high) + 3, start + 1)
        count = int(np.prod(shape, dtype=int))
        if count <= stop - start:
            return self.rng.permutation(np.arange(start, stop))[:count].reshape(shape)
        return self.rng.integers(start, stop, shape)

    def _spread(self, shape: tuple[int, ...], low: float, high: float) -> np.ndarray:
        count = int(np.prod(shape, dtype=int))
        steps = (np.arange(count) + self.rng.uniform(0.2, 0.8, count)) / max(count, 1)
        return self.rng.permutation(low + (high - low) * steps).reshape(shape)

    def put(self, values: Any, dtype: DType) -> tp.Tensor:
        """A tensor of NumPy values on the device under test."""
        return tp.tensor(np.asarray(values), dtype=dtype, device=self.device)

    def int(self, shape: Any = (), lo: builtins.int = 0, hi: builtins.int = 5) -> tp.Tensor:
        """int64 values in ``[lo, hi)``."""
        return self.put(self.rng.integers(lo, hi, shape), tp.int64)

    def distinct(self, shape: Any, lo: builtins.int, hi: builtins.int) -> tp.Tensor:
        """int64 values in ``[lo, hi)``, each at most once: indices that may be written to."""
        count = math.prod(shape) if isinstance(shape, tuple) else shape
        return self.put(self.rng.permutation(hi - lo)[:count].reshape(shape) + lo, tp.int64)

    def bool(self, shape: Any = ()) -> tp.Tensor:
        """Random truth values."""
        return self.put(self.rng.integers(0, 2, shape).astype(np.bool_), tp.bool)

    def pos(self, *shape: Any) -> tp.Tensor:
        """Positive values."""
        dims = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        return self(*dims, lo=0.3, hi=2.5)

    def noncontig(self, *shape: Any) -> tp.Tensor:
        """A tensor of this shape that is a transposed view with gaps."""
        dims = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        wide = self(*reversed([2 * size for size in dims]))
        back = tuple(range(len(dims)))[::-1]
        return wide.permute(back)[tuple(slice(None, None, 2) for _ in dims)]

    def scalar(self) -> float:
        """A Python number that fits the dtype."""
        return 2 if self.dtype.kind in ("int", "uint", "bool") else 1.5

    def spd(self, size: builtins.int) -> tp.Tensor:
        """A well-conditioned symmetric positive definite matrix."""
        values = self.rng.normal(size=(size, size))
        if self.dtype.is_complex:
            values = values + 1j * self.rng.normal(size=(size, size))
        return self.put(values @ values.conj().T + size * np.eye(size), self.dtype)


# --- arguments by family -------------------------------------------------------------------------


def _unary(t: SampleMaker) -> list[Any]:
    return [(t(),), (t(0),), (t(5),), (t(2, 3),), (t.noncontig(2, 3),)]


def _binary(t: SampleMaker) -> list[Any]:
    return [
        (t(), t()),
        (t(2, 3), t(2, 3)),
        (t(3), t(2, 3)),
        (t(2, 1), t(1, 3)),
        (t(0, 3), t(1)),
        (t.noncontig(2, 3), t(2, 3)),
        (t(4), t.scalar()),
    ]


def _ternary(t: SampleMaker) -> list[Any]:
    return [(t(2, 3), t(2, 3), t(2, 3)), (t(2, 1), t(3), t())]


def _reduce(t: SampleMaker) -> list[Any]:
    return [
        (t(),),
        (t(2, 3),),
        (t(2, 3), 1),
        (t(2, 3, 2), -1, {"keepdim": True}),
        (t(2, 3, 2), (0, 2)),
        (t.noncontig(3, 2), 0),
    ]


FAMILIES: dict[str, Callable[[SampleMaker], list[Any]]] = {
    "UNARY": _unary,
    "BINARY": _binary,
    "COMPARE": _binary,
    "TERNARY": _ternary,
    "REDUCE": _reduce,
}


SEED = [0]
"""The seed of all samples: ``--seed``."""


def samples_of(public: Public, device: str, dtype: DType, seed: int | None = None) -> list[Sample]:
    """The calls to try, made on a device.

    If neither the function nor its family says how to call it, there are none.
    """
    maker = public.samples
    if maker is None and public.row is not None:
        maker = FAMILIES.get(public.row.family.name)
    if maker is None:
        return []
    mixed = (SEED[0] if seed is None else seed) ^ zlib.crc32(public.qualname.encode())
    found: list[Sample] = []
    with tp.device(device):
        for arguments in maker(SampleMaker(device, dtype, public.domain, mixed)):
            items = arguments if isinstance(arguments, tuple) else (arguments,)
            kwargs = items[-1] if items and isinstance(items[-1], dict) else {}
            args = tuple(items[: len(items) - bool(kwargs)])
            found.append(Sample(args, kwargs, len(found)))
    return found


def sample(
    function: str, dtype: str, number: builtins.int, device: str, seed: builtins.int = 0,
    grad: builtins.bool = False,
) -> tuple[tuple[Any, ...], dict[str, Any]]:  # fmt: skip
    """The arguments ``(args, kwargs)`` of one call that the suite makes, to try it by hand.

    Args:
        function: a public function by its name below ``tensorplug``, such as ``"linalg.svd"``.
        dtype: the type under test, ``"float32"``.
        number: which of the function's samples.
        device: where the tensors are made.
        seed: the suite's ``--seed``.
        grad: whether the tensors that can shall require a gradient.

    Example:
        >>> args, kwargs = sample("exp", "float32", 2, "cpu")
        >>> tp.exp(*args, **kwargs).shape
        tensorplug.Size([5])
    """
    found = samples_of(FUNCTIONS[function], device, getattr(tp, dtype), seed)[number]
    if grad:
        found = found.map(lambda x: x.requires_grad_() if x.dtype.is_inexact else x)
    return found.args, found.kwargs


# --- which functions with which types ------------------------------------------------------------

DTYPES = (
    tp.bool, tp.uint8, tp.int8, tp.int16, tp.int32, tp.int64, tp.float16, tp.bfloat16, tp.float32,
    tp.float64, tp.complex64, tp.complex128,
)  # fmt: skip

UNSIGNED = (tp.uint16, tp.uint32, tp.uint64)
"""Types of which only the basic operations are tried; PyTorch has few others of them."""


def _declared(public: Public) -> tuple[str, ...]:
    """The kinds of types, or single types, that a function says it takes."""
    if public.dtypes is not None:
        return tuple(public.dtypes.split())
    if public.row is not None and public.row.dtype is not None:
        return tuple(public.row.dtype.accepts)
    return ("float",)


def takes(public: Public, dtype: DType) -> bool:
    """Whether a function is declared for a type."""
    declared = _declared(public)
    return "any" in declared or dtype.kind in declared or dtype.name in declared


def types_of(public: Public) -> list[DType]:
    """The types that a function takes: float32 first if it is one of them."""
    found = [dtype for dtype in DTYPES if takes(public, dtype)]
    return sorted(found, key=lambda dtype: dtype is not tp.float32)


_ONLY: list[Collection[str] | None] = [None, None]
"""The functions and types of which cases are made now, if not of all."""


def _functions() -> list[Public]:
    return [public for name, public in FUNCTIONS.items() if is_asked(name)]


@contextmanager
def only(
    functions: Collection[str] | None = None, dtypes: Collection[str] | None = None
) -> Iterator[None]:
    """Inside, cases are made of these functions and types alone; None stands for all.

    What makes cases may ask samples and recorded calls first, which takes long for all functions.
    """
    _ONLY[:] = functions, dtypes
    try:
        yield
    finally:
        _ONLY[:] = None, None


def is_asked(function: str, dtype: str | None = None) -> builtins.bool:
    """Whether :func:`only` lets a function pass, and a type."""
    functions, dtypes = _ONLY
    known = functions is None or function in functions
    return known and (dtypes is None or dtype is None or dtype in dtypes)


def cases(accept: Callable[[DType], bool] = lambda dtype: True) -> Iterator[Case]:
    """Every public function with every type that it takes and ``accept`` agrees to.

    Inside :func:`only`, those that it lets pass: who chooses one of several has to choose among
    :func:`types_of`, which are always all.
    """
    for public in _functions():
        for dtype in DTYPES:
            if is_asked(public.qualname, dtype.name) and accept(dtype) and takes(public, dtype):
                yield Case(public, dtype)


def supports(device: str, dtype: DType) -> bool:
    """Whether a device declares a type."""
    return dtype.name in tp.device(device).capabilities


def dtypes_of(device: str) -> list[DType]:
    """The types that a device declares."""
    return [dtype for dtype in DTYPES if supports(device, dtype)]


def other_devices(device: str) -> list[str]:
    """Devices to mix with: another index of the same type if there is one, and cpu; for the cpu
    a device that every computer has.
    """
    found = tp.device(device)
    count = len(found.backend.devices())
    others = [f"{found.type}:{(found.index + 1) % count}"] if count > 1 else []
    return [*others, "loopback:0" if found.type == "cpu" else "cpu"]


def first_cases(public_too: Callable[[Public], bool] = lambda public: True) -> Iterator[Case]:
    """Every public function once, with the first of :func:`types_of`; see :func:`cases`."""
    for public in _functions():
        for dtype in types_of(public)[:1]:
            if is_asked(public.qualname, dtype.name) and public_too(public):
                yield Case(public, dtype)
