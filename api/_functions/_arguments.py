"""What many functions do with their arguments first."""

from __future__ import annotations

from typing import Any

from ..autograd import slow
from ..autograd.errors import OpTypeError
from ..autograd.tensor import Tensor
from ..backends.dtypes import DType

__all__ = ["in_type", "settle", "tensor"]


def tensor(name: str, value: Any, argument: str = "input") -> Tensor:
    """The value itself, or the tensor that it can become (an array of another library).

    Raises:
        TypeError: it is neither.
    """
    if type(value) is Tensor:
        return value
    if hasattr(value, "__array__") or hasattr(value, "__dlpack__"):
        return slow.as_tensor[0](value)
    raise OpTypeError(
        f"{name}: expected {argument} to be a tensor, got {type(value).__name__}; make one with "
        "tp.tensor(...)",
        op=name,
    )


def settle(name: str, result: Any, out: Any) -> Any:
    """The result, or ``out`` with the result in it; both may be tuples."""
    if out is None:
        return result
    if type(result) is Tensor:
        return slow.write_out(name, out, result)
    written = [slow.write_out(name, o, r) for o, r in zip(out, result, strict=True)]
    return type(result)(*written)


def in_type(result: Tensor, dtype: DType | None) -> Tensor:
    """The result in the type asked for by ``dtype=``, if any: a sum of int32 is int64 otherwise."""
    return result if dtype is None else slow.cast(result, dtype)
