"""Fused kernels against the formulas they stand for: values, gradients, and gradients of those.

The formula is made of plain operations on the same device in float64, so a kernel that a plugin
brings along, forward or backward, must agree with the composition.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.checks import few, floats_of, i64, on, refuses
from tensorplug.conformance.reference import array_of

pytestmark = [pytest.mark.needs("float64"), pytest.mark.shared]

F = tp.nn.functional


def data(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-2, 2, shape)


def moments(x: Any, dims: Any) -> tuple[Any, Any]:
    mean = x.mean(dims, keepdim=True)
    return mean, ((x - mean) * (x - mean)).mean(dims, keepdim=True)


def layer_norm(x: Any, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
    mean, var = moments(x, tuple(range(-weight.ndim, 0)))
    return (x - mean) / (var + eps).sqrt() * weight + bias


def group_norm(x: Any, weight: Any, bias: Any, groups: int, eps: float = 1e-5) -> Any:
    parts = x.reshape(x.shape[0], groups, -1)
    mean, var = moments(parts, 2)
    shape = (1, -1) + (1,) * (x.ndim - 2)
    found = ((parts - mean) / (var + eps).sqrt()).reshape(x.shape)
    return found * weight.reshape(shape) + bias.reshape(shape)


def batch_norm(x: Any, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
    mean, var = moments(x, (0, *range(2, x.ndim)))
    shape = (1, -1) + (1,) * (x.ndim - 2)
    return (x - mean) / (var + eps).sqrt() * weight.reshape(shape) + bias.reshape(shape)


def softmax(x: Any, dim: int) -> Any:
    e = (x - x.detach().amax(dim, keepdim=True)).exp()
    return e / e.sum(dim, keepdim=True)


def attention(q: Any, k: Any, v: Any, mask: Any = None, causal: bool = False) -> Any:
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if causal:
        low = tp.ones(scores.shape[-2:], dtype=tp.bool, device=q.device).tril()
        scores = scores.masked_fill(~low, -math.inf)
    if mask is not None:
        scores = scores + mask
    return softmax(scores, -1) @ v


def cross_entropy(x: Any, labels: Any) -> Any:
    logs = x - x.logsumexp(1, keepdim=True)
    return -logs.gather(1, labels.unsqueeze(1)).mean()


def gelu_tanh(x: Any) -> Any:
    return 0.5 * x * (1 + tp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def conv1d(x: Any, weight: Any, bias: Any) -> Any:
    windows = x.unfold(2, weight.shape[2], 2)  # (N, C, places, kernel)
    return tp.einsum("ncpk,ock->nop", windows, weight) + bias.reshape(1, -1, 1)


Pair = tuple[Callable[..., Any], Callable[..., Any], list[np.ndarray]]
PAIRS: dict[str, Pair] = {
    "softmax-last": (lambda x: tp.softmax(x, -1), lambda x: softmax(x, -1), [data(3, 5)]),
    "softmax-first": (lambda x: tp.softmax(x, 0), lambda x: softmax(x, 0), [data(5, 2, 3)]),
    "log_softmax": (lambda x: tp.log_softmax(x, 1), lambda x: x - x.logsumexp(1, keepdim=True),
                    [data(2, 7, 2)]),
    "logsumexp": (lambda x: tp.logsumexp(x, (0, 2)), lambda x: x.exp().sum((0, 2)).log(),
                  [data(2, 3, 4)]),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, w.shape, w, b), layer_norm,
                   [data(3, 2, 5), data(5, seed=1), data(5, seed=2)]),
    "layer_norm-two": (lambda x, w, b: F.layer_norm(x, w.shape, w, b), layer_norm,
                       [data(3, 2, 5), data(2, 5, seed=1), data(2, 5, seed=2)]),
    "layer_norm-plain": (lambda x: F.layer_norm(x, (4,)),
                         lambda x: (x - moments(x, -1)[0]) / (moments(x, -1)[1] + 1e-5).sqrt(),
                         [data(7, 4)]),
    "rms_norm": (lambda x, w: F.rms_norm(x, (5,), w, 1e-3),
                 lambda x, w: x / ((x * x).mean(-1, keepdim=True) + 1e-3).sqrt() * w,
                 [data(3, 5), data(5, seed=1)]),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b),
                   lambda x, w, b: group_norm(x, w, b, 2),
                   [data(2, 4, 3), data(4, seed=1), data(4, seed=2)]),
    "batch_norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), batch_norm,
                   [data(4, 3, 2), data(3, seed=1), data(3, seed=2)]),
    "instance_norm": (lambda x: F.instance_norm(x),
                      lambda x: (x - moments(x, 2)[0]) / (moments(x, 2)[1] + 1e-5).sqrt(),
                      [data(2, 3, 5)]),
    "gelu": (lambda x: F.gelu(x), lambda x: x * (1 + tp.erf(x / math.sqrt(2))) / 2, [data(9)]),
    "gelu-tanh": (lambda x: F.gelu(x, approximate="tanh"), gelu_tanh, [data(9)]),
    "silu": (F.silu, lambda x: x / (1 + (-x).exp()), [data(9)]),
    "sigmoid": (tp.sigmoid, lambda x: 1 / (1 + (-x).exp()), [data(9)]),
    "tanh": (tp.tanh, lambda x: 1 - 2 / ((2 * x).exp() + 1), [data(9)]),
    "softplus": (lambda x: F.softplus(x, 2.0), lambda x: (1 + (2 * x).exp()).log() / 2, [data(9)]),
    "logsigmoid": (F.logsigmoid, lambda x: -(1 + (-x).exp()).log(), [data(9)]),
    "mish": (F.mish, lambda x: x * tp.tanh((1 + x.exp()).log()), [data(9)]),
    "linear": (F.linear, lambda x, w, b: (x.unsqueeze(-2) * w).sum(-1) + b,
               [data(2, 3, 4), data(5, 4, seed=1), data(5, seed=2)]),
    "matmul": (tp.matmul, lambda x, y: (x.unsqueeze(-1) * y.unsqueeze(-3)).sum(-2),
               [data(2, 1, 3, 4), data(5, 4, 2, seed=1)]),
    "attention": (F.scaled_dot_product_attention, attention,
                  [data(2, 3, 4), data(2, 5, 4, seed=1), data(2, 5, 3, seed=2)]),
    "attention-causal": (lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
                         lambda q, k, v: attention(q, k, v, causal=True),
                         [data(2, 4, 3, seed=i) for i in range(3)]),
    "attention-mask": (lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=m),
                       attention, [*[data(2, 3, 4, seed=i) for i in range(3)], data(3, 3)]),
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b, stride=2), conv1d,
               [data(2, 3, 8), data(4, 3, 3, seed=1), data(4, seed=2)]),
    "avg_pool1d": (lambda x: F.avg_pool1d(x, 3, 2), lambda x: x.unfold(2, 3, 2).mean(-1),
                   [data(2, 2, 8)]),
    "max_pool1d": (lambda x: F.max_pool1d(x, 3, 2), lambda x: x.unfold(2, 3, 2).amax(-1),
                   [data(2, 2, 8)]),
    "mse_loss": (F.mse_loss, lambda x, y: ((x - y) * (x - y)).mean(),
                 [data(3, 4), data(3, 4, seed=1)]),
    "binary": (lambda x, y: F.binary_cross_entropy_with_logits(x, y.sigmoid()),
               lambda x, y: ((1 + x.exp()).log() - x * y.sigmoid()).mean(),
               [data(3, 4), data(3, 4, seed=1)]),
    "var": (lambda x: tp.var(x, (0, 2)), lambda x: moments(x, (0, 2))[1].reshape(3) * 8 / 7,
            [data(2, 3, 4)]),
    "std": (lambda x: tp.std(x, 1, correction=0), lambda x: moments(x, 1)[1].sqrt().reshape(2, 4),
            [data(2, 3, 4)]),
    "cumprod": (lambda x: tp.cumprod(x, 0), lambda x: tp.stack([x[: i + 1].prod(0) for i in
                                                                range(4)]), [data(4, 2)]),
    "norm": (lambda x: tp.linalg.vector_norm(x, 3, 1), lambda x: (x.abs() ** 3).sum(1) ** (1 / 3),
             [data(3, 4)]),
}  # fmt: skip


def close(device: str, what: str, gots: Any, wants: Any, bound: float) -> None:
    for i, (got, want) in enumerate(zip(gots, wants, strict=True)):
        a, b = array_of(got), array_of(want)
        off = np.abs(a - b)
        wrong = ~(off <= bound * max(1.0, float(np.abs(b).max(initial=0))))
        if a.shape != b.shape or wrong.any():
            at = tuple(int(n) for n in np.argwhere(wrong)[0])
            pytest.fail(f"{what} {i} on {device}: expected {b[at]!r} at {at}, got {a[at]!r}; "
                        "expected from: the formula in plain operations")  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_fused_and_composed_agree(device: str, name: str, thorough: bool) -> None:
    if name not in few(device, PAIRS, thorough, 6):
        return
    fused, composed, arrays = PAIRS[name]
    with tp.device(device):
        sides = []
        for function in (fused, composed):
            xs = [on(device, a).requires_grad_() for a in arrays]
            out = function(*xs)
            seed = on(device, data(*out.shape, seed=7)).requires_grad_()
            grads = tp.autograd.grad(out, xs, seed, create_graph=True)
            total = sum((g * on(device, data(*g.shape, seed=8 + i))).sum()
                        for i, g in enumerate(grads))  # fmt: skip
            second = tp.autograd.grad(total, [*xs, seed], allow_unused=True,
                                      materialize_grads=True)  # fmt: skip
            sides.append((out, grads, second))
    (out, grads, second), wants = sides
    close(device, f"{name}: result", [out], [wants[0]], 1e-12)
    close(device, f"{name}: gradient of input", grads, wants[1], 1e-11)
    close(device, f"{name}: second derivative", second, wants[2], 1e-9)


@pytest.mark.parametrize("name", [name for name in PAIRS if len(PAIRS[name][2]) > 1])
def test_a_gradient_does_not_depend_on_what_else_is_followed(
    device: str, name: str, thorough: bool
) -> None:
    """Inputs may be frozen, alone or together; kernels are told which gradients are needed."""
    if name not in few(device, PAIRS, thorough, 6):
        return
    fused, _, arrays = PAIRS[name]

    def gradients(followed: tuple[int, ...]) -> list[Any]:
        xs = [on(device, a).requires_grad_(i in followed) for i, a in enumerate(arrays)]
        out = fused(*xs)
        out.backward(on(device, data(*out.shape, seed=7)))
        assert all(x.grad is None for i, x in enumerate(xs) if i not in followed), name
        return [xs[i].grad for i in followed]

    every = range(len(arrays))
    with tp.device(device):
        wants = gradients(tuple(every))
        for count in range(1, len(arrays)):
            for followed in itertools.combinations(every, count):
                close(device, f"{name}: gradients of inputs {followed} alone: number",
                      gradients(followed), [wants[i] for i in followed], 1e-12)  # fmt: skip


@pytest.mark.parametrize("name", ["layer_norm", "batch_norm", "softmax-last", "attention"])
def test_views_as_inputs(device: str, name: str) -> None:
    """Inputs with gaps and in another order give what their copies give."""
    fused, _, arrays = PAIRS[name]
    with tp.device(device):
        found = []
        for strange in (False, True):
            bases = [np.repeat(a.T, 2, -1) if strange else a for a in arrays]
            xs = [on(device, b).requires_grad_() for b in bases]
            views = [x[..., ::2].permute(*range(x.ndim)[::-1]) if strange else x for x in xs]
            out = fused(*views)
            out.backward(on(device, data(*out.shape, seed=7)))
            grads = [array_of(x.grad) for x in xs]
            found.append((array_of(out), [g[..., ::2].T if strange else g for g in grads]))
    assert np.allclose(found[0][0], found[1][0], rtol=1e-12), f"{name} of views on {device}"
    for i, (a, b) in enumerate(zip(found[0][1], found[1][1], strict=True)):
        assert np.allclose(a, b, rtol=1e-10, atol=1e-13), f"{name}: gradient {i} of views, {device}"


def test_losses_with_classes(device: str) -> None:
    labels = on(device, i64([2, 0, 1, 2]))
    x = on(device, data(4, 3)).requires_grad_()
    y = on(device, data(4, 3)).requires_grad_()
    F.cross_entropy(x, labels).backward()
    cross_entropy(y, labels).backward()
    close(device, "cross_entropy", [x.grad], [y.grad], 1e-12)
    logs = array_of(x) - np.log(np.exp(array_of(x)).sum(1, keepdims=True))
    weight, each = np.array([0.5, 1, 2]), -logs[np.arange(4), [2, 0, 1, 2]]
    kept = weight[[2, 0, 1, 2]]
    got = F.cross_entropy(x, labels, on(device, weight)).item()
    assert got == pytest.approx((each * kept).sum() / kept.sum()), f"weights on {device}"
    got = F.cross_entropy(x, labels, ignore_index=2).item()
    assert got == pytest.approx(each[[1, 2]].mean()), f"ignore_index on {device}"
    got = F.cross_entropy(x, labels, label_smoothing=0.2).item()
    assert got == pytest.approx(0.8 * each.mean() + 0.2 * -logs.mean()), f"smoothing on {device}"
    parts = F.cross_entropy(x, labels, reduction="none")
    assert np.allclose(array_of(parts), each), f"reduction='none' on {device}"


def test_running_statistics(device: str) -> None:
    x = data(5, 3, 2)
    mean, var = on(device, np.zeros(3)), on(device, np.ones(3))
    F.batch_norm(on(device, x), mean, var, training=True, momentum=0.3)
    flat = x.transpose(1, 0, 2).reshape(3, -1)
    assert np.allclose(array_of(mean), 0.3 * flat.mean(1)), f"running mean on {device}"
    want = 0.7 + 0.3 * flat.var(1, ddof=1)  # what is kept is unbiased
    assert np.allclose(array_of(var), want), f"running variance on {device}: {var.tolist()}"
    got = F.batch_norm(on(device, x), mean, var)
    means, widths = array_of(mean).reshape(3, 1), np.sqrt(want + 1e-5).reshape(3, 1)
    assert np.allclose(array_of(got), (x - means) / widths), f"batch_norm, eval, on {device}"


def test_narrow_types_are_wide_inside(device: str, thorough: bool) -> None:
    """Softmax and norms of long rows in 16 bits are within two roundings of the exact ones."""
    for dtype in floats_of(device, thorough):
        if dtype.itemsize > 2:
            continue
        x = data(3, 515).astype(dtype.numpy)
        wide = x.astype(np.float64)
        e = np.exp(wide - wide.max(1, keepdims=True))
        norm = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + 1e-5)
        eps = float(tp.finfo(dtype).eps)
        for name, got, want in (
            ("softmax", tp.softmax(on(device, x), 1), e / e.sum(1, keepdims=True)),
            ("layer_norm", F.layer_norm(on(device, x), (515,)), norm),
            ("log_softmax", tp.log_softmax(on(device, x), 1),
             np.log(e / e.sum(1, keepdims=True))),
        ):  # fmt: skip
            off = np.abs(array_of(got) - want) / np.maximum(np.abs(want), 1e-3)
            assert off.max() < 2 * eps, f"{name}({dtype}) on {device}: off by {off.max():.3g}"


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("layer_norm", (data(2, 3), (4,)), {}), ("layer_norm", (data(2, 3), (3,), data(2)), {}),
        ("group_norm", (data(2, 3, 4), 2), {}), ("batch_norm", (data(2, 3), data(2), data(2)), {}),
        ("batch_norm", (data(1, 3), None, None), {"training": True}),
        ("rms_norm", (data(2, 3), (2,)), {}), ("softmax", (data(2, 3), 2), {}),
        ("cross_entropy", (data(2, 3), i64([0, 3])), {}), ("mse_loss", (data(2), data(3)), {}),
        ("cross_entropy", (data(2, 3), i64([0])), {}), ("gelu", (data(2),), {"approximate": "x"}),
        ("cross_entropy", (data(2, 3), i64([0, 1])), {"reduction": "most"}),
        ("scaled_dot_product_attention", (data(2, 3, 4), data(2, 5, 3), data(2, 5, 3)), {}),
        ("nll_loss", (data(2, 3), i64([0, 1]), data(2)), {}),
        ("binary_cross_entropy", (data(2) + 5, data(2)), {}), ("normalize", ("x",), {}),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit(
    device: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    refuses(device, f"nn.functional.{name}", *args, **kwargs)
