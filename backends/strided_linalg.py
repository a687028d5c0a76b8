"""Linear algebra for NumPy-like array modules, where their own functions need help."""

from __future__ import annotations

import math
from typing import Any

from .base import Kernel

__all__ = ["kernels"]


def _det(xp: Any) -> Kernel:
    return lambda x: xp.asarray(xp.linalg.det(x))


def _slogdet(xp: Any) -> Kernel:
    def kernel(x: Any) -> tuple[Any, Any]:
        sign, logabsdet = xp.linalg.slogdet(x)
        return xp.asarray(sign), xp.asarray(logabsdet)

    return kernel


def _complex(xp: Any, x: Any) -> Any:
    """As complex numbers: the library gives real results where they happen to be real."""
    if x.dtype.kind == "c":
        return x
    return x.astype(xp.complex64 if x.dtype.itemsize == 4 else xp.complex128)


def _eig(xp: Any) -> Kernel:
    def kernel(x: Any) -> tuple[Any, Any]:
        values, vectors = xp.linalg.eig(x)
        return _complex(xp, values), _complex(xp, vectors)

    return kernel


def _qr(xp: Any) -> Kernel:
    def kernel(x: Any, mode: str) -> tuple[Any, Any]:
        found = xp.linalg.qr(x, mode=mode)
        return found[0], found[1]

    return kernel


def _svd(xp: Any) -> Kernel:
    def kernel(x: Any, full: bool) -> tuple[Any, Any, Any]:
        left, values, right = xp.linalg.svd(x, full_matrices=full)
        return left, values, right

    return kernel


def _cofactors(xp: Any) -> Kernel:
    """``conj(det(x)) * inv(x)^H``; by singular values for a singular matrix."""

    def one_sided(x: Any) -> Any:
        left, values, right = xp.linalg.svd(x, full_matrices=False)
        ones = xp.ones((*values.shape[:-1], 1), values.dtype)
        before = xp.cumprod(xp.concatenate([ones, values[..., :-1]], axis=-1), axis=-1)
        after = xp.cumprod(xp.concatenate([ones, values[..., :0:-1]], axis=-1), axis=-1)
        others = before * after[..., ::-1]
        scale = xp.conj(xp.linalg.det(left) * xp.linalg.det(right))
        return (left * (others * scale[..., None])[..., None, :]) @ right

    def kernel(x: Any) -> Any:
        det = xp.asarray(xp.linalg.det(x))
        if not xp.all(xp.isfinite(det) & (det != 0)):
            return one_sided(x)
        inverse = xp.linalg.inv(x)
        return xp.conj(det)[..., None, None] * xp.conj(xp.swapaxes(inverse, -1, -2))

    return kernel


def _lu_order(xp: Any) -> Kernel:
    """The order of rows that exchanges, counted from 1, amount to."""

    def kernel(pivots: Any, rows: int) -> Any:
        steps = pivots.shape[-1]
        flat = pivots.reshape(math.prod(pivots.shape[:-1]), steps).astype(xp.int64) - 1
        order = xp.broadcast_to(xp.arange(rows), (flat.shape[0], rows)).copy()
        batch = xp.arange(flat.shape[0])
        for k in range(steps):
            other = flat[:, k]
            here = order[:, k].copy()
            order[:, k] = order[batch, other]
            order[batch, other] = here
        return order.reshape(*pivots.shape[:-1], rows)

    return kernel


def kernels(xp: Any) -> dict[str, Kernel]:
    """All kernels of this file, bound to an array module."""
    linalg = xp.linalg
    return {
        "det": _det(xp),
        "slogdet": _slogdet(xp),
        "eig": _eig(xp),
        "eigvals": lambda x: _complex(xp, linalg.eigvals(x)),
        "qr": _qr(xp),
        "svd": _svd(xp),
        "svdvals": lambda x: linalg.svd(x, compute_uv=False),
        "cofactors": _cofactors(xp),
        "lu_order": _lu_order(xp),
    }
