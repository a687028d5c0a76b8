"""Derivatives through the adapters, against finite differences; rows have conformance tests."""

from __future__ import annotations

import pytest

import tensorplug as tp
from tensorplug import array_api as xp

# Functions of x (2, 3), v (3,) and a well-conditioned matrix m (3, 3), all float64.
CALLS = """
    asarray(x, copy=True)
    astype(astype(x, xp.complex128), xp.float64)
    clip(x, -0.5, v)
    concat([x, v], axis=None)
    cumulative_prod(x, axis=1, include_initial=True)
    cumulative_sum(x, axis=0, include_initial=True)
    diff(x, prepend=x[:, :1])
    expand_dims(x, (0, 2))
    floor_divide(x, v)
    isin(x, v) + x
    linalg.cross(x, v)
    linalg.solve(m, v)
    linalg.trace(m)
    linalg.pinv(x)
    linalg.vector_norm(x, axis=())
    linalg.vector_norm(x, ord=3)
    linalg.svdvals(x)
    matmul(x, astype(v, xp.complex128))
    max(x, axis=0)
    mean(x, axis=1, keepdims=True)
    linalg.outer(v, v)
    prod(x, axis=0)
    real(astype(x, xp.complex128))
    repeat(x, xp.asarray([2, 1]), axis=0)
    reshape(x, (3, 2), copy=True)
    roll(x, 1, axis=(0, 1))
    sign(x) * x
    sort(x, axis=0)
    squeeze(x[:1, ...], 0)
    std(x, correction=1.0)
    sum(x, axis=(0, 1))
    take(x, xp.asarray([-1, 0]), axis=1)
    take_along_axis(x, xp.asarray([[0], [-1]]))
    tensordot(x, m, axes=1)
    tile(x, (2, 1))
    unique_values(x)
    vecdot(x, v)
    where(x > v, x, 2.0)
    fft.rfft(x)
    fft.irfftn(astype(x, xp.complex128))
"""


@pytest.mark.parametrize("call", [call.strip() for call in CALLS.strip().splitlines()])
def test_gradient(call: str, device: str) -> None:
    x = [[0.3, -1.2, 0.7], [1.4, 0.9, -0.6]]
    v = [0.8, 1.7, -1.1]
    m = [[4.0, 0.3, -0.2], [0.5, 3.0, 0.1], [0.2, -0.7, 5.0]]
    inputs = tuple(
        tp.tensor(data, dtype=tp.float64, device=device, requires_grad=True) for data in (x, v, m)
    )
    names = {name: getattr(xp, name) for name in ("astype", "asarray")}

    def function(x: tp.Tensor, v: tp.Tensor, m: tp.Tensor) -> tp.Tensor:
        found = eval(f"xp.{call}", {"xp": xp, "x": x, "v": v, "m": m, **names})
        return found + 0 * (xp.sum(x) + xp.sum(v) + xp.sum(m))  # so that all take part

    with tp.device(device):
        assert tp.autograd.gradcheck(function, inputs)
