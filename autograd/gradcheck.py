"""Compare derivatives with finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .functional import grad
from .tensor import Tensor

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A derivative does not agree with finite differences."""


def _outputs(function: Callable[..., Any], inputs: Sequence[Any]) -> list[Tensor]:
    found = function(*inputs)
    found = list(found) if isinstance(found, (tuple, list)) else [found]
    return [out for out in found if isinstance(out, Tensor) and out.dtype.is_inexact]


def _numerical(
    function: Callable[..., Any], inputs: Sequence[Any], target: Tensor, eps: float
) -> list[list[list[complex]]]:
    """Per output, the Jacobian rows: one per element of ``target`` (two when it is complex)."""
    flat = target.detach().reshape(-1)
    steps = (eps, eps * 1j) if target.dtype.is_complex else (eps,)
    rows: list[list[list[complex]]] = []
    for i in range(flat.numel()):
        for step in steps:
            sides = []
            for sign in (1, -1):
                moved = flat.clone()
                moved[i] = moved[i] + sign * step
                value = moved.reshape(target.shape)
                args = [value if x is target else x for x in inputs]
                sides.append(
                    [out.detach().reshape(-1).tolist() for out in _outputs(function, args)]
                )
            rows.append(
                [[(a - b) / (2 * eps) for a, b in zip(*pair, strict=True)]
                 for pair in zip(*sides, strict=True)]
            )  # fmt: skip
    return rows


def _analytical(out: Tensor, target: Tensor) -> list[list[complex]]:
    """The Jacobian rows of one output by backward passes, in the layout of :func:`_numerical`."""
    columns: list[list[complex]] = []
    units = (1.0, 1j) if out.dtype.is_complex else (1.0,)
    for j in range(out.numel()):
        for unit in units:
            seed = out.detach().clone().fill_(0).reshape(-1)
            seed[j] = unit
            (found,) = grad(out, target, seed.reshape(out.shape), retain_graph=True,
                            allow_unused=True, materialize_grads=True)  # fmt: skip
            values = found.detach().reshape(-1).tolist()  # type: ignore[union-attr]  # materialized
            columns.append(_as_real(values) if target.dtype.is_complex else values)
    return columns


def _as_real(values: list[complex]) -> list[Any]:
    return [part for value in values for part in (value.real, value.imag)]


def _real_outputs(row: list[complex], is_complex: bool) -> list[Any]:
    return _as_real(row) if is_complex else list(row)


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    **ignored: Any,
) -> bool:
    """Check the gradients of ``func`` by central differences.

    Args:
        func: takes the inputs, gives a tensor or a tuple of them.
        inputs: tensors (those with ``requires_grad`` are checked; use float64) and others.
        eps: step of the differences.
        atol, rtol: allowed difference.
        raise_exception: raise on a mismatch instead of returning False.

    Raises:
        GradcheckError: naming the output, the input, and both values.

    Example:
        >>> x = tp.randn(3, dtype=tp.float64, requires_grad=True)
        >>> tp.autograd.gradcheck(tp.sin, (x,))
        True
    """
    args = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    targets = [x for x in args if isinstance(x, Tensor) and x.requires_grad]
    if not targets:
        raise ValueError(
            "gradcheck: expected at least one input that requires grad, got none; set "
            "requires_grad=True"
        )
    outs = _outputs(func, args)
    for position, target in enumerate(targets):
        numerical = _numerical(func, args, target, eps)
        for index, out in enumerate(outs):
            if not out.requires_grad:
                continue
            message = _compare(out, target, [row[index] for row in numerical], atol, rtol)
            if message and raise_exception:
                raise GradcheckError(f"gradcheck: output {index}, input {position}: {message}")
            if message:
                return False
    return True


def _compare(
    out: Tensor, target: Tensor, numerical: list[list[complex]], atol: float, rtol: float
) -> str | None:
    rows = [_real_outputs(row, out.dtype.is_complex) for row in numerical]
    columns = _analytical(out, target)
    for i, row in enumerate(rows):
        for j, expected in enumerate(row):
            got = columns[j][i]
            if not abs(got - expected) <= atol + rtol * abs(expected):
                return (
                    f"Jacobian mismatch at element {i} of the input and {j} of the output: "
                    f"expected {expected:.6g} by finite differences, got {got:.6g}"
                )
    return None


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Sequence[Tensor] | None = None,
    **options: Any,
) -> bool:
    """Check second derivatives: :func:`gradcheck` of the gradients of ``func``."""
    args = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
    targets = [i for i, x in enumerate(args) if isinstance(x, Tensor) and x.requires_grad]
    outs = [out for out in _outputs(func, args) if out.requires_grad]
    seeds = list(grad_outputs) if grad_outputs is not None else [_seed(out) for out in outs]
    count = len(args)

    def first(*values: Any) -> tuple[Any, ...]:
        values = tuple(
            v if v.requires_grad else v.detach().requires_grad_() if i in targets else v
            for i, v in enumerate(values[:count])
        ) + values[count:]  # fmt: skip
        found = [out for out in _outputs(func, values[:count]) if out.requires_grad]
        return grad(found, [values[i] for i in targets], list(values[count:]), create_graph=True,
                    allow_unused=True, materialize_grads=True)  # fmt: skip

    return gradcheck(first, [*args, *[seed.requires_grad_() for seed in seeds]], **options)


def _seed(out: Tensor) -> Tensor:
    """A fixed, uneven vector for the products, so that no term cancels by symmetry."""
    flat = out.detach().clone().reshape(-1)
    for i in range(flat.numel()):
        flat[i] = 0.5 + 0.37 * ((i * 7) % 5)
    found: Tensor = flat.reshape(out.shape)
    return found
