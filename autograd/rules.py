"""What the engine does once for all derivative rules: undo broadcasting, casts and realness."""

from __future__ import annotations

from typing import Any

from ..backends.dtypes import DType

__all__ = ["fit", "unbroadcast"]


def unbroadcast(F: Any, grad: Any, shape: tuple[int, ...]) -> Any:
    """Sum a gradient back to the shape that was broadcast."""
    extra = len(grad.shape) - len(shape)
    if extra > 0:
        grad = F.sum(grad, tuple(range(extra)), False)
    dims = tuple(
        i for i, (now, was) in enumerate(zip(grad.shape, shape, strict=True)) if was == 1 != now
    )
    return F.sum(grad, dims, True) if dims else grad


def fit(F: Any, grad: Any, shape: tuple[int, ...], dtype: DType) -> Any:
    """Give a gradient the shape and the type of the input that it belongs to."""
    if grad.shape != shape:
        grad = unbroadcast(F, grad, shape)
    found = F.dtype_of(grad)
    if found is not dtype:
        if found.is_complex and not dtype.is_complex:
            grad = F.real(grad)
        grad = F.cast(grad, dtype)
    return grad
