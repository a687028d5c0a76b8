"""Comparison of one result with torch's: structure, dtype, shape, values within tolerance."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from .convert import to_torch
from .subject import Subject

__all__ = ["compare", "describe", "to_torch_tree"]

# The defaults of torch.testing.assert_close: (rtol, atol) per dtype.
_TOLERANCE: dict[torch.dtype, tuple[float, float]] = {
    torch.float16: (1e-3, 1e-5),
    torch.bfloat16: (1.6e-2, 1e-5),
    torch.float32: (1.3e-6, 1e-5),
    torch.float64: (1e-7, 1e-7),
    torch.complex64: (1.3e-6, 1e-5),
    torch.complex128: (1e-7, 1e-7),
}
_WIDER = {
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.float32: torch.float64,
    torch.complex64: torch.complex128,
}


def describe(value: Any) -> str:
    """A short text for a value: shape and dtype of tensors, the values too when few."""
    if isinstance(value, torch.Tensor):
        text = f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
        few = value.numel() <= 6 and not value.requires_grad
        return f"{text}={value.tolist()}" if few else text
    if isinstance(value, (tuple, list)):
        inner = ", ".join(describe(item) for item in value)
        return f"({inner})" if isinstance(value, tuple) else f"[{inner}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {describe(v)}" for k, v in value.items()) + "}"
    return repr(value)


def to_torch_tree(value: Any, subject: Subject) -> Any:
    """The subject's result with every tensor turned into a torch tensor on the host.

    Raises:
        TypeError: when a tensor's own dtype is not the one of the array it gives out.
    """
    if subject.is_tensor(value):
        made = to_torch(subject.numpy(value))
        named = subject.dtype_name(value)
        if str(made.dtype).removeprefix("torch.") != named:
            raise TypeError(f"expected .numpy() of dtype {named}, got {made.dtype}")
        return made
    if isinstance(value, (tuple, list)):
        return [to_torch_tree(item, subject) for item in value]
    if isinstance(value, dict):
        return {name: to_torch_tree(item, subject) for name, item in value.items()}
    return value


def compare(
    got: Any,
    expected: Any,
    *,
    values: bool = True,
    precise: Callable[[], Any] | None = None,
) -> tuple[str, str] | None:
    """None where both agree, else two short texts: what was expected and what was got.

    Args:
        got: the subject's result after :func:`to_torch_tree`.
        expected: torch's result.
        values: False compares structure, dtype and shape only (random and uninitialised results).
        precise: computes the result in the wider dtype, called when values differ: a result
            nearer to it than twice torch's own error agrees.
    """
    if isinstance(expected, torch.Tensor):
        return _compare_tensor(got, expected, values, precise)
    if isinstance(expected, (tuple, list)):
        if not isinstance(got, (tuple, list)) or len(got) != len(expected):
            return f"{len(expected)} results", describe(got)
        for index, (one, other) in enumerate(zip(got, expected, strict=True)):
            inner = None if precise is None else (lambda i=index: precise()[i])
            found = compare(one, other, values=values, precise=inner)
            if found is not None:
                return f"[{index}] {found[0]}", f"[{index}] {found[1]}"
        return None
    if type(got) is not type(expected) and not _same_number_kind(got, expected):
        return describe(expected), describe(got)
    if not values or _scalar_equal(got, expected):
        return None
    return describe(expected), describe(got)


def _same_number_kind(got: Any, expected: Any) -> bool:
    """Subclasses of int and tuple stand for their base, as ``torch.Size`` does for tuple."""
    return isinstance(got, type(expected)) or isinstance(expected, type(got))


def _scalar_equal(got: Any, expected: Any) -> bool:
    if isinstance(expected, complex):
        return torch.allclose(torch.tensor(got), torch.tensor(expected), equal_nan=True)
    if isinstance(expected, float):
        both_nan = math.isnan(got) and math.isnan(expected)
        return both_nan or math.isclose(got, expected, rel_tol=1.3e-6, abs_tol=1e-5)
    return bool(got == expected)


def _compare_tensor(
    got: Any, expected: torch.Tensor, values: bool, precise: Callable[[], Any] | None
) -> tuple[str, str] | None:
    if not isinstance(got, torch.Tensor):
        return describe(expected), f"{type(got).__name__} {describe(got)}"
    if got.dtype != expected.dtype or got.shape != expected.shape:
        return describe(expected.detach()), describe(got)
    expected = expected.detach().resolve_conj().resolve_neg()
    if not values or got.numel() == 0 or torch.equal(got, expected):
        return None
    rtol, atol = _TOLERANCE.get(expected.dtype, (0.0, 0.0))
    close = torch.isclose(got, expected, rtol=rtol, atol=atol, equal_nan=True)
    if bool(close.all()):
        return None
    if precise is not None and expected.dtype in _WIDER:
        close = close | _near_truth(got, expected, precise(), rtol, atol)
        if bool(close.all()):
            return None
    return _first_difference(got, expected, close)


def _near_truth(
    got: torch.Tensor, expected: torch.Tensor, truth: Any, rtol: float, atol: float
) -> torch.Tensor:
    """Where ``got`` is about as near as torch's own result to the one in the wider dtype."""
    if not isinstance(truth, torch.Tensor) or truth.shape != got.shape:
        return torch.zeros_like(got, dtype=torch.bool)
    wide = _WIDER[expected.dtype]
    truth = truth.detach().to(wide)
    limit = 2 * (expected.to(wide) - truth).abs() + atol + rtol * truth.abs()
    return (got.to(wide) - truth).abs() <= limit


def _first_difference(
    got: torch.Tensor, expected: torch.Tensor, close: torch.Tensor
) -> tuple[str, str]:
    where = tuple(int(i) for i in torch.nonzero(~close)[0])
    count = int((~close).sum())
    place = f"at {list(where)} ({count} of {close.numel()} differ)"
    head = describe(expected).split("=")[0]
    return f"{head} {place}: {expected[where].item()!r}", f"{got[where].item()!r}"
