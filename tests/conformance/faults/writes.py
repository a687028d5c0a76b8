"""Faults of in-place operations, overlapping memory, casts and creation."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorplug.backends.dtypes import bfloat16

from .base import Clean, fault, put_in_place_of

__all__ = ["FAULTS"]


class OverlapCorrupts(Clean):
    def assign(self, handle: Any, value: Any) -> None:
        same = isinstance(value, np.ndarray) and value.dtype == handle.dtype
        if not (same and np.may_share_memory(handle, value)):
            super().assign(handle, value)
            return
        source = np.broadcast_to(value, handle.shape)
        for at in np.ndindex(handle.shape):
            handle[at] = source[at]


def _changed(change: Any) -> type[Clean]:
    """Every kernel that writes into an array, changed."""

    class Faulty(Clean):
        def __init__(self) -> None:
            super().__init__()
            self._into = {name: change(kernel) for name, kernel in self._into.items()}

    return Faulty


def _lost_if_not_contiguous(kernel: Any) -> Any:
    def into(*operands: Any) -> None:
        out = operands[-1]
        kernel(*operands[:-1], out if out.flags.c_contiguous else out.copy())

    return into


def _lost_if_0d(kernel: Any) -> Any:
    def into(*operands: Any) -> None:
        kernel(*operands[:-1], operands[-1] if operands[-1].ndim else operands[-1].copy())

    return into


def _in_two_halves(kernel: Any) -> Any:
    """First the lower half, then the upper one, which may have been an operand."""

    def into(*operands: Any) -> None:
        *inputs, out = operands
        arrays = [x for x in inputs if isinstance(x, np.ndarray)]
        if out.ndim != 1 or len(arrays) < 2 or any(x.shape != out.shape for x in arrays):
            kernel(*operands)
            return
        middle = out.size // 2
        for part in (slice(0, middle), slice(middle, None)):
            kernel(*(x[part] if isinstance(x, np.ndarray) else x for x in operands))

    return into


class MaskedWriteLost(Clean):
    def put(self, x: Any, values: Any, indices: Any) -> None:
        super().put(x if x.flags.c_contiguous else x.copy(), values, indices)


class PutFromTheEnd(Clean):
    """Negative indices in an assignment count as 0."""

    def put(self, x: Any, values: Any, indices: Any) -> None:
        kept = tuple(i if i is None else np.maximum(i, 0) for i in indices)
        super().put(x, values, kept)


class FillsNarrow(Clean):
    """Python numbers pass through float32."""

    def assign(self, handle: Any, value: Any) -> None:
        super().assign(handle, float(np.float32(value)) if type(value) is float else value)

    def full(self, shape: Any, value: Any, dtype: Any, device: int) -> Any:
        narrow = float(np.float32(value)) if type(value) is float else value
        return super().full(shape, narrow, dtype, device)


class RoundedFull(Clean):
    def full(self, shape: Any, value: Any, dtype: Any, device: int) -> Any:
        if type(value) is int and abs(value) < 1 << 62:
            value = int(float(value))
        return super().full(shape, value, dtype, device)


class SumsUpSteps(Clean):
    def arange(self, start: Any, end: Any, step: Any, dtype: Any, device: int) -> Any:
        exact = super().arange(start, end, step, dtype, device)
        if dtype.kind != "float" or not exact.size:
            return exact
        steps = np.full(exact.shape, step, np.float32)
        steps[0] = start
        return np.cumsum(steps, dtype=np.float32).astype(exact.dtype)


def _cast(change: Any) -> type[Clean]:
    class Faulty(Clean):
        def cast(self, handle: Any, dtype: Any) -> Any:
            found = change(handle, dtype)
            return super().cast(handle, dtype) if found is None else found

    return Faulty


def _bool_by_way_of_int(handle: Any, dtype: Any) -> Any:
    if dtype.name == "bool" and handle.dtype.kind == "f":
        return handle.astype(np.int64) != 0
    return None


def _rounds(handle: Any, dtype: Any) -> Any:
    if dtype.kind == "int" and handle.dtype.kind == "f":
        return np.rint(handle).astype(dtype.numpy)
    return None


def _chops(handle: Any, dtype: Any) -> Any:
    if dtype.numpy == np.float32 and handle.dtype == np.float64:
        near = handle.astype(np.float32)
        over = np.abs(near.astype(np.float64)) > np.abs(handle)
        return np.where(over, np.nextafter(near, np.float32(0)), near)
    return None


def _saturates(handle: Any, dtype: Any) -> Any:
    if dtype.kind in ("int", "uint") and handle.dtype.kind in "iu":
        limits = np.iinfo(dtype.numpy)
        return np.clip(handle, limits.min, limits.max).astype(dtype.numpy)
    return None


def _cuts_bits(handle: Any, dtype: Any) -> Any:
    if dtype is bfloat16 and handle.dtype == np.float32:
        words = np.ascontiguousarray(handle).view(np.uint32) >> 16
        return words.astype(np.uint16).view(dtype.numpy)
    return None


def _real_part_decides(handle: Any, dtype: Any) -> Any:
    return handle.real != 0 if dtype.name == "bool" and handle.dtype.kind == "c" else None


def _no_subnormal_halves(handle: Any, dtype: Any) -> Any:
    if dtype.name == "float16" and handle.dtype.kind == "f":
        found = handle.astype(np.float16)
        return np.where(np.abs(found) < np.float16(6.104e-05), np.float16(0), found)
    return None


def _casts_in_place(type_: str) -> None:
    """A float into an integer tensor, in place, is cut off instead of refused."""
    from tensorplug.autograd import inplace

    plain = inplace.check_cast

    def check(name: str, source: Any, target: Any) -> None:
        if target._device.type != type_:
            plain(name, source, target)

    put_in_place_of(plain, check)


class NoSharedPlaces(Clean):
    def shares_places(self, handle: Any) -> bool:
        return False


class CopyRounds(Clean):
    def assign(self, handle: Any, value: Any) -> None:
        floats = isinstance(value, np.ndarray) and value.dtype.kind == "f"
        if floats and handle.dtype.kind in "iu":
            value = np.rint(value)
        super().assign(handle, value)


ALL_CASTS = "to type types cast casts dtype"

FAULTS = (
    fault("F07", "copying between overlapping views reads what it has written", "overlap",
          OverlapCorrupts, "", "overlap overlapping copy_ assign setitem shifted"),
    fault("F08", "an in-place op on a tensor with gaps is lost", "in-place",
          _changed(_lost_if_not_contiguous), "add mul exp neg",
          "in_place inplace place view views write writes stride add_ mul_"),
    fault("F09", "an in-place op casts down silently", "in-place", Clean, "add mul",
          "in_place inplace place lesser type cast dtype refused add_", _casts_in_place),
    fault("F11", "a masked write to a tensor with gaps is lost", "in-place", MaskedWriteLost,
          "masked_fill index_put", "mask masked put setitem index write views view indices"),
    fault("F18", "float becomes bool by way of int", "casts", _cast(_bool_by_way_of_int),
          "", f"{ALL_CASTS} bool"),
    fault("F57", "an in-place op with an operand that overlaps reads what it has written",
          "overlap", _changed(_in_two_halves), "add sub mul",
          "overlap overlapping shifted add_ sub_ mul_"),
    fault("F58", "an in-place op on a 0-d tensor is lost", "in-place", _changed(_lost_if_0d),
          "add mul", "in_place inplace place 0d zero scalar add_ mul_"),
    fault("F59", "negative indices in an assignment are taken for 0", "indexing", PutFromTheEnd,
          "index_put put", "index indices put setitem negative"),
    fault("F60", "Python numbers lose digits when they fill a float64 tensor", "casts",
          FillsNarrow, "full fill_ full_like", "full fill fill_ float64 scalar number"),
    fault("F61", "large whole numbers pass through float64 when they fill a tensor", "casts",
          RoundedFull, "full full_like", "full fill fill_ int64 large"),
    fault("F62", "arange adds up its steps", "accuracy", SumsUpSteps, "arange", "arange"),
    fault("F63", "float to integer rounds to the nearest", "casts", _cast(_rounds),
          "", f"{ALL_CASTS} int int64 int32 truncates"),
    fault("F64", "float64 to float32 cuts off", "casts", _cast(_chops),
          "", f"{ALL_CASTS} float32 nearest rounding"),
    fault("F65", "integers saturate when cast to narrower ones", "casts", _cast(_saturates),
          "", f"{ALL_CASTS} int8 uint8 wrap wraps"),
    fault("F66", "float32 to bfloat16 cuts off the low bits", "casts", _cast(_cuts_bits),
          "", f"{ALL_CASTS} bfloat16 nearest rounding"),
    fault("F67", "complex to bool looks at the real part only", "casts",
          _cast(_real_part_decides), "", f"{ALL_CASTS} bool complex complex64 complex128"),
    fault("F68", "casts to float16 flush subnormals to zero", "casts",
          _cast(_no_subnormal_halves), "", f"{ALL_CASTS} float16 subnormal"),
    fault("F69", "writes to an expanded tensor are let through", "in-place", NoSharedPlaces,
          "", "expand expanded single in_place inplace place write writes"),
    fault("F70", "copy_ from float to integer rounds to the nearest", "casts", CopyRounds,
          "", f"{ALL_CASTS} copy_ int int64 int32"),
)  # fmt: skip
