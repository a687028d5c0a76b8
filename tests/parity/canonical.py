"""Results that are not unique: what of them must agree all the same.

A singular vector may change its sign, equal elements may be sorted in any order. Each function
here turns torch's result and the subject's into something that a correct result determines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["canonical"]

Call = tuple[Any, tuple[Any, ...], dict[str, Any]]


def _gram(matrix: torch.Tensor) -> torch.Tensor:
    return matrix.mH @ matrix


def _svd(result: Any, call: Call) -> Any:
    u, s, vh = result
    k = s.shape[-1]
    product = (u[..., :, :k] * s.to(u.dtype).unsqueeze(-2)) @ vh[..., :k, :]
    return s, product, _gram(u), _gram(vh.mH)


def _eigh(result: Any, call: Call) -> Any:
    values, vectors = result
    product = (vectors * values.to(vectors.dtype).unsqueeze(-2)) @ vectors.mH
    return values, product, _gram(vectors)


def _eig(result: Any, call: Call) -> Any:
    values, vectors = result
    return values, vectors.abs()


def _qr(result: Any, call: Call) -> Any:
    q, r = result
    if q.numel() == 0:
        return (_gram(r),)
    return q @ r, _gram(q)


def _dim(call: Call, position: int, default: int = -1) -> int:
    _, args, kwargs = call
    if "dim" in kwargs:
        return int(kwargs["dim"])
    return int(args[position]) if len(args) > position else default


def _taken(values: torch.Tensor, indices: torch.Tensor, dim: int) -> torch.Tensor:
    if values.ndim == 0:
        return values.reshape(1)[indices.reshape(-1).clamp(0, 0)]
    return values.take_along_dim(indices.clamp(0, values.shape[dim] - 1), dim)


def _argsort(result: Any, call: Call) -> Any:
    return _taken(call[0], result, _dim(call, 0)), result.sort(_dim(call, 0)).values


def _sort(result: Any, call: Call) -> Any:
    values, indices = result
    return values, _taken(call[0], indices, _dim(call, 0))


def _topk(result: Any, call: Call) -> Any:
    dim = _dim(call, 1)
    if call[0].ndim == 0:
        return tuple(result)
    values = result[0].sort(dim).values
    return values, _taken(call[0], result[1], dim).sort(dim).values


def _middle(result: Any, call: Call) -> Any:
    """Median and the like: any index that holds the value will do."""
    if isinstance(result, torch.Tensor):
        return result
    source = call[0]
    dim = _dim(call, 0)
    indices = result[1]
    if indices.ndim < source.ndim:
        indices = indices.unsqueeze(dim)
    return result[0], _taken(source, indices, dim).reshape(result[0].shape)


def _unique(result: Any, call: Call) -> Any:
    return result if call[2].get("sorted", True) else _sorted_unique(result, call)


def _sorted_unique(result: Any, call: Call) -> Any:
    values = result if isinstance(result, torch.Tensor) else result[0]
    return values.sort(0).values if values.ndim else values


_CANONICAL: dict[str, Callable[[Any, Call], Any]] = {
    "linalg.svd": _svd,
    "svd": lambda result, call: _svd((result[0], result[1], result[2].mH), call),
    "linalg.eigh": _eigh,
    "linalg.eig": _eig,
    "linalg.qr": _qr,
    "qr": _qr,
    "argsort": _argsort,
    "sort": _sort,
    "topk": _topk,
    "median": _middle,
    "nanmedian": _middle,
    "mode": _middle,
    "unique": _unique,
}


def canonical(name: str, result: Any, call: Call) -> Any:
    """What of a result must agree: the result itself for most names.

    Args:
        name: dotted name.
        result: torch tensors, nested as torch returns them.
        call: torch's own ``(input, args, kwargs)``.
    """
    found = _CANONICAL.get(name)
    if found is None or (name == "sort" and "stable" in call[2] and call[2]["stable"]):
        return result
    return found(result, call)
