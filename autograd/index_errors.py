"""What is wrong with an index or with shapes: runs only after an operation has failed."""

from __future__ import annotations

from typing import Any

from ..backends.errors import OpIndexError, OpValueError

__all__ = ["broadcast_error", "explain_index"]


def broadcast_error(shapes: list[tuple[int, ...]]) -> str | None:
    """What to say when shapes do not broadcast together, None when they do."""
    rank = max(map(len, shapes), default=0)
    for dim in range(1, rank + 1):
        sizes = {shape[-dim] for shape in shapes if len(shape) >= dim} - {1}
        if len(sizes) > 1:
            listed = " and ".join(map(str, (tuple(shape) for shape in shapes)))
            one, two = sorted(sizes)[:2]
            return (
                f"expected broadcastable shapes, got {listed}; the sizes {one} and {two} at "
                f"dimension {rank - dim} must match or be 1"
            )
    return None


def explain_index(name: str, args: tuple[Any, ...]) -> Exception | None:
    """The error of the rows ``index``, ``index_get`` and ``index_put``, None if none is found."""
    x = args[0]
    if name == "index":
        return _basic(tuple(x._h.shape), args[1])
    indices = next((arg for arg in args[1:] if type(arg) is tuple), ())
    shown = "index" if name == "index_get" else name
    return _gather(shown, x._device.backend, tuple(x._h.shape), indices)


def _outside(name: str, where: int, size: int, got: int) -> OpIndexError:
    rule = f"an index in [{-size}, {size - 1}]" if size else "no index"
    return OpIndexError(
        f"{name}: expected {rule} for dimension {where} of size {size}, got {got}; "
        f"index {got} is out of bounds for dimension {where} with size {size}",
        op=name,
        got=got,
    )


def _basic(shape: tuple[int, ...], items: tuple[Any, ...]) -> Exception | None:
    """The error of integers, slices, None and Ellipsis; None when nothing is wrong with them."""
    if sum(item is ... for item in items) > 1:
        return OpIndexError(
            "index: expected at most one ellipsis ('...'), got several; write ':' for the others",
            op="index",
        )
    count = sum(item is not None and item is not ... for item in items)
    if count > len(shape):
        return OpIndexError(
            f"index: expected at most {len(shape)} indices for shape {tuple(shape)}, got {count}; "
            f"too many indices for tensor of dimension {len(shape)}",
            op="index",
            got=count,
        )
    dim = 0
    for item in items:
        if item is ...:
            dim += len(shape) - count
        elif item is not None:
            if isinstance(item, slice):
                if item.step == 0:
                    return OpValueError(
                        "index: expected a step other than 0, got 0; slice step cannot be zero",
                        op="index",
                        got=0,
                    )
            elif not -shape[dim] <= item < shape[dim]:
                return _outside("index", dim, shape[dim], item)
            dim += 1
    return None


def _gather(
    name: str, backend: Any, shape: tuple[int, ...], indices: tuple[Any, ...]
) -> Exception | None:
    """The error of index tensors (handles, None for ``:``); None when nothing is wrong."""
    for dim, index in enumerate(indices[: len(shape)]):
        values = None if index is None else backend.to_host(index)
        if values is not None and values.size:
            low, high, size = int(values.min()), int(values.max()), shape[dim]
            if low < -size or high >= size:
                return _outside(name, dim, size, high if high >= size else low)
    text = broadcast_error([index.shape for index in indices if index is not None])
    if text is None:
        return None
    return OpIndexError(
        f"{name}: {text}; shape mismatch: indexing tensors could not be broadcast together", op=name
    )
