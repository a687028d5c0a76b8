"""The kernels of ``plugins/data``, against NumPy; on the stand-in with several threads a block."""

from __future__ import annotations

import cupy
import numpy as np
import pytest

import tensorplug as tp
from tensorplug.backends.random import raw_bits
from tensorplug.nn import functional as F


@pytest.fixture(autouse=True)
def _threads() -> None:
    """The stand-in then runs the sums of a block as a GPU does, all threads at once."""
    if hasattr(cupy.cuda, "COUNT"):
        from cupy import _raw

        _raw.SIZES.threads = 8


FLOATS = [tp.float32, tp.float64, tp.float16, tp.bfloat16]


@pytest.mark.parametrize("count", [1, 4, 5, 1023, 4096])
@pytest.mark.parametrize("counter", [0, 7, 2**64 - 2, 2**64 - 1, 2**128 - 1])
def test_random_bits_are_those_of_numpy(device: str, count: int, counter: int) -> None:
    backend, index = tp.device(device).backend, tp.device(device).index
    key = (0x0123456789ABCDEF, 5)
    words = backend.to_host(backend.random_bits(count, key, counter, index))
    assert (words == raw_bits(key, counter, count)).all()


@pytest.mark.parametrize("draw", [
    lambda **on: tp.rand(1001, **on), lambda **on: tp.randint(-5, 900, (77,), **on),
    lambda **on: tp.rand(33, dtype=tp.float64, **on), lambda **on: tp.randperm(50, **on),
    lambda **on: tp.bernoulli(tp.full((99,), 0.3, **on)),
])  # fmt: skip
def test_draws_are_those_of_the_cpu(device: str, draw) -> None:
    there = draw(device=device)
    tp.manual_seed(0)
    assert (there.cpu() == draw()).all()


def _both(function, *tensors: tp.Tensor, device: str, tolerance: float = 1e-5) -> None:
    """Values and gradients of a function on a device, against those on the cpu."""
    found = []
    for where in ("cpu", device):
        given = [t.detach().to(where).requires_grad_(t.is_floating_point()) for t in tensors]
        out = function(*given)
        weights = tp.arange(out.numel(), dtype=tp.float32, device=where).reshape(out.shape).cos()
        (out.float() * weights).sum().backward()
        found.append([out, *(t.grad for t in given if t.is_floating_point())])
    for expected, got in zip(*found, strict=True):
        assert got.dtype is expected.dtype
        tolerances = {"rtol": tolerance, "atol": tolerance}
        assert tp.allclose(got.detach().cpu().float(), expected.detach().float(), **tolerances)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (2, 3, 300)], ids=str)
@pytest.mark.parametrize("function", [
    lambda x: x.softmax(-1), lambda x: x.log_softmax(-1), lambda x: x.softmax(0), F.gelu, F.silu,
    lambda x: F.gelu(x, approximate="tanh"), tp.sigmoid, lambda x: F.leaky_relu(x, 0.1), F.relu,
    lambda x: F.layer_norm(x, x.shape[-1:]), lambda x: F.rms_norm(x, x.shape[-1:]),
    lambda x: x.cummax(-1).values, lambda x: x.sort(dim=-1, stable=True).values,
    lambda x: x.amax(-1),
])  # fmt: skip
def test_of_one_tensor(device: str, function, shape, dtype) -> None:
    tolerance = {tp.float16: 2e-2, tp.bfloat16: 1e-1}.get(dtype, 1e-5)
    _both(function, tp.randn(shape).to(dtype), device=device, tolerance=tolerance)


def test_layer_norm_with_factors(device: str) -> None:
    x, weight, bias = tp.randn(4, 6, 10), tp.randn(10), tp.randn(10)
    _both(lambda *t: F.layer_norm(t[0], (10,), *t[1:]), x, weight, bias, device=device)
    _both(lambda x, w: F.rms_norm(x, (10,), w), x, weight, device=device)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_cross_entropy(device: str, reduction: str) -> None:
    x, target, weight = tp.randn(6, 4, 3), tp.randint(0, 4, (6, 3)), tp.rand(4)
    target[0, 0] = 2
    for options in ({}, {"weight": weight}, {"ignore_index": 2}):

        def loss(x: tp.Tensor, target: tp.Tensor, options=options) -> tp.Tensor:
            moved = {k: v.to(x.device) if k == "weight" else v for k, v in options.items()}
            return F.cross_entropy(x, target, reduction=reduction, **moved)

        _both(loss, x, target, device=device)


@pytest.mark.parametrize(
    "dtype", [tp.float32, tp.int64, tp.int8, tp.float16, tp.complex64], ids=str
)
def test_scatters_add_up_what_meets(device: str, dtype: tp.dtype) -> None:
    x = tp.zeros(7, dtype=dtype)
    where, values = tp.randint(0, 7, (400,)), tp.randint(0, 4, (400,)).to(dtype)
    there = x.to(device).scatter_add(0, where.to(device), values.to(device))
    assert tp.equal(there.cpu(), x.scatter_add(0, where, values))
    for reduce in ("amax", "amin") if not dtype.is_complex else ():
        there = x.to(device).scatter_reduce(0, where.to(device), values.to(device), reduce)
        assert tp.equal(there.cpu(), x.scatter_reduce(0, where, values, reduce))


def test_embeddings_and_pooling(device: str) -> None:
    index = tp.randint(0, 9, (50,))
    _both(lambda w: F.embedding(index.to(w.device), w), tp.randn(9, 5), device=device)
    _both(lambda x: F.max_pool2d(x, 3, 2, 1), tp.randn(2, 3, 9, 8), device=device)
    _both(lambda x: F.max_pool1d(x, 2, 1), tp.randn(2, 3, 9), device=device)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_products_of_stacks(device: str, dtype: tp.dtype) -> None:
    x, y = tp.randn(2, 3, 4, 5).to(dtype), tp.randn(3, 5, 6).to(dtype)
    tolerance = {tp.float16: 2e-2, tp.bfloat16: 2e-1}.get(dtype, 1e-5)
    for left, right in ((x, y), (x.mT.contiguous().mT, y), (x, y.mT.contiguous().mT), (x, y[0])):
        _both(lambda a, b: a @ b, left, right, device=device, tolerance=tolerance)


@pytest.mark.parametrize("causal", [False, True])
def test_attention(device: str, causal: bool) -> None:
    q, k, v = (tp.randn(2, 2, 5, 4) for _ in range(3))
    attend = F.scaled_dot_product_attention
    _both(lambda *t: attend(*t, is_causal=causal), q, k, v, device=device)


@pytest.mark.parametrize("make", [
    lambda p: tp.optim.Adam(p, lr=0.1), lambda p: tp.optim.AdamW(p, amsgrad=True, maximize=True),
    lambda p: tp.optim.Adam(p, weight_decay=0.1), lambda p: tp.optim.SGD(p, lr=0.1),
    lambda p: tp.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    lambda p: tp.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.3, maximize=True),
])  # fmt: skip
def test_steps_of_optimizers_in_one_launch(device: str, make) -> None:
    found = []
    for where in ("cpu", device):
        tp.manual_seed(1)
        params = [tp.randn(n, n + 1).to(where).requires_grad_() for n in range(1, 42)]
        optimizer = make(params)
        for _ in range(3):
            optimizer.zero_grad()
            sum(((p * p).sum() for p in params), tp.zeros((), device=where)).backward()
            optimizer.step()
        found.append(np.concatenate([p.detach().cpu().numpy().ravel() for p in params]))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5, atol=1e-6)
