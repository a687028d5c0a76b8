"""Layers' functions where their inputs end, against loops over elements: borders, batches, small
numbers, masks, ignored targets; and gradients where windows overlap and words repeat.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.reference import array_of

F = tp.nn.functional


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Values between -1 and 1 that are exact in float32."""
    rng = np.random.default_rng([seed, *shape])
    return (rng.integers(-64, 65, shape) / 64).astype(np.float32)


def near(got: tp.Tensor, want: Any, what: str, tolerance: float = 1e-5) -> None:
    want, found = np.asarray(want), array_of(got)
    assert found.shape == want.shape, f"{what}: expected shape {want.shape}, got {found.shape}"
    off = np.abs(found - want)
    worst = off.max(initial=0.0)
    assert worst <= tolerance * max(1.0, np.abs(want).max(initial=0.0)), (
        f"{what}: expected {want.reshape(-1)[off.argmax()]}, got "
        f"{found.reshape(-1)[off.argmax()]} at {np.unravel_index(off.argmax(), off.shape)}"
    )


# --- products -------------------------------------------------------------------------------------


@pytest.mark.parametrize("lead", [(), (4,), (2, 3), (2, 1, 3), (0,)])
def test_linear_adds_its_bias_to_batches_of_any_rank(device: str, lead: tuple[int, ...]) -> None:
    x, weight, bias = numbers(*lead, 5), numbers(3, 5), numbers(3, seed=1)
    args = [tp.tensor(a, device=device) for a in (x, weight, bias)]
    near(F.linear(*args), x @ weight.T + bias, f"linear of a tensor of shape {x.shape}")


@pytest.mark.parametrize(
    ("one", "two"),
    [((1, 2, 3), (4, 3, 2)), ((4, 2, 3), (1, 3, 2)), ((2, 1, 2, 3), (3, 3, 4)), ((2, 3), (5, 3, 2)),
     ((5, 2, 3), (3, 2)), ((3,), (4, 3, 2)), ((4, 2, 3), (3,))],
)  # fmt: skip
def test_matmul_broadcasts_batches(device: str, one: Any, two: Any) -> None:
    x, y = numbers(*one), numbers(*two, seed=1)
    got = tp.matmul(tp.tensor(x, device=device), tp.tensor(y, device=device))
    near(got, np.matmul(x, y), f"matmul of {one} and {two}")


# --- convolutions ---------------------------------------------------------------------------------


def convolved(x: Any, w: Any, b: Any, stride: int, pad: int, dilation: int, groups: int) -> Any:
    """A convolution over two dimensions, element by element."""
    x = np.pad(x.astype(np.float64), [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    images, outs, (rows, columns) = x.shape[0], w.shape[0], w.shape[2:]
    high = (x.shape[2] - dilation * (rows - 1) - 1) // stride + 1
    wide = (x.shape[3] - dilation * (columns - 1) - 1) // stride + 1
    found = np.zeros((images, outs, high, wide))
    per_in, per_out = w.shape[1], outs // groups
    for n, o, i, j in np.ndindex(found.shape):
        first = (o // per_out) * per_in
        for c, k, m in np.ndindex(w.shape[1:]):
            place = (n, first + c, i * stride + k * dilation, j * stride + m * dilation)
            found[n, o, i, j] += x[place] * w[o, c, k, m]
        found[n, o, i, j] += b[o]
    return found


CONVOLUTIONS = [
    (1, 0, 1, 1), (1, 2, 1, 1), (2, 1, 1, 1), (1, 2, 2, 1), (2, 2, 2, 1), (3, 1, 1, 2), (1, 1, 1, 2)
]  # fmt: skip


@pytest.mark.parametrize(("stride", "pad", "dilation", "groups"), CONVOLUTIONS)
def test_conv_at_its_borders(
    device: str, stride: int, pad: int, dilation: int, groups: int
) -> None:
    x, w, b = numbers(2, 4, 6, 7), numbers(6, 4 // groups, 3, 2), numbers(6)
    got = F.conv2d(*(tp.tensor(a, device=device) for a in (x, w, b)), stride=stride, padding=pad,
                   dilation=dilation, groups=groups)  # fmt: skip
    want = convolved(x, w, b, stride, pad, dilation, groups)
    near(got, want, f"conv2d, stride {stride}, padding {pad}, dilation {dilation}, groups {groups}")


@pytest.mark.parametrize(("stride", "pad", "dilation", "groups"), CONVOLUTIONS)
def test_gradients_of_conv_are_those_of_its_terms(
    device: str, stride: int, pad: int, dilation: int, groups: int
) -> None:
    """The convolution is linear in each operand: its change is the convolution of the change."""
    x, w, zero = numbers(2, 4, 6, 7), numbers(6, 4 // groups, 3, 2), np.zeros(6)
    tensors = [tp.tensor(a, device=device, requires_grad=True) for a in (x, w)]
    out = F.conv2d(*tensors, stride=stride, padding=pad, dilation=dilation, groups=groups)
    g = numbers(*out.shape, seed=2)
    out.backward(tp.tensor(g, device=device))
    settings = (stride, pad, dilation, groups)
    for tensor, name in zip(tensors, ("input", "weight"), strict=True):
        for seed in (3, 4):
            step = numbers(*tensor.shape, seed=seed)
            args = (step, w) if name == "input" else (x, step)
            want = (convolved(*args, zero, *settings) * g).sum()
            got = (array_of(tensor.grad) * step).sum()
            assert abs(got - want) <= 1e-4 * (1 + abs(want)), (
                f"conv2d: gradient of the {name} along a direction: expected {want}, got {got}"
            )


# --- pooling --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "stride", "pad"), [(2, 2, 1), (3, 1, 1), (3, 2, 1), (2, 1, 0)])
def test_max_pool_finds_places_in_the_image_itself(
    device: str, kernel: int, stride: int, pad: int
) -> None:
    x = -1 - np.abs(numbers(2, 3, 5, 6)) - np.arange(180).reshape(2, 3, 5, 6) / 1024
    x = x.astype(np.float32)
    tensor = tp.tensor(x, device=device, requires_grad=True)
    found, places = F.max_pool2d(tensor, kernel, stride, pad, return_indices=True)
    name = f"max_pool2d, window {kernel}, stride {stride}, padding {pad}"
    want_places, slope = np.zeros(found.shape, np.int64), np.zeros(x.shape)
    for n, c, i, j in np.ndindex(*found.shape):
        rows = range(max(i * stride - pad, 0), min(i * stride - pad + kernel, 5))
        columns = range(max(j * stride - pad, 0), min(j * stride - pad + kernel, 6))
        row, column = max(itertools.product(rows, columns), key=lambda p: x[(n, c, *p)])
        want_places[n, c, i, j] = row * 6 + column
        slope[n, c, row, column] += 1
    values = np.take_along_axis(x.reshape(2, 3, 30), want_places.reshape(2, 3, -1), 2)
    near(found, values.reshape(found.shape), name)
    assert array_of(places).tolist() == want_places.tolist(), f"{name}: indices"
    found.sum().backward()
    near(tensor.grad, slope, f"{name}: gradient where windows overlap")
    again = tp.tensor(x, device=device, requires_grad=True)
    F.max_pool2d(again, kernel, stride, pad).sum().backward()
    near(again.grad, slope, f"{name}, without indices: gradient where windows overlap")


# --- normalisation --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1e-1, 1e-3, 1e-5])
def test_norms_add_eps_under_the_root(device: str, size: float) -> None:
    x = numbers(3, 8).astype(np.float64) * size
    types = (
        [tp.float64, tp.float32] if "float64" in tp.device(device).capabilities else [tp.float32]
    )
    spread = x - x.mean(-1, keepdims=True)
    layer = spread / np.sqrt((spread**2).mean(-1, keepdims=True) + 1e-5)
    root = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5)
    for dtype in types:
        tensor = tp.tensor(x, dtype=dtype, device=device)
        near(F.layer_norm(tensor, (8,), eps=1e-5), layer, f"layer_norm of values near {size}", 1e-4)
        near(F.rms_norm(tensor, (8,), eps=1e-5), root, f"rms_norm of values near {size}", 1e-4)


# --- losses and embeddings ------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_ignored_targets_do_not_count_in_the_mean(device: str, weighted: bool) -> None:
    logs, target = numbers(5, 4), np.array([1, 3, 1, 0, 3])
    weight = np.array([0.5, 1, 2, 4], np.float32) if weighted else np.ones(4, np.float32)
    kept = target != 3
    factors = weight[target] * kept
    want = -(logs[np.arange(5), target] * factors).sum() / factors.sum()
    got = F.nll_loss(
        tp.tensor(logs, device=device), tp.tensor(target, device=device),
        tp.tensor(weight, device=device) if weighted else None, ignore_index=3,
    )  # fmt: skip
    near(got, want, "nll_loss with ignore_index, reduction mean")


def test_gradients_of_repeated_words_add_up(device: str) -> None:
    for rows, count in ((4, 6), (300, 500)):
        index = np.arange(count) % min(rows, 7)
        weight = tp.zeros(rows, 3, device=device, requires_grad=True)
        F.embedding(tp.tensor(index, device=device), weight).sum().backward()
        want = np.repeat(np.bincount(index, minlength=rows)[:, None], 3, 1)
        near(weight.grad, want, f"embedding: gradient of repeated words, {rows} rows")


# --- attention ------------------------------------------------------------------------------------


def attended(q: Any, k: Any, v: Any, mask: Any) -> Any:
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1]) + mask
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v


@pytest.mark.parametrize("mask_shape", [(2, 3, 4, 5), (2, 1, 4, 5), (4, 5), (2, 3, 1, 5)])
def test_attention_has_a_mask_for_each_batch(device: str, mask_shape: Any) -> None:
    q, k, v = numbers(2, 3, 4, 6), numbers(2, 3, 5, 6, seed=1), numbers(2, 3, 5, 6, seed=2)
    allowed = np.random.default_rng(5).integers(0, 4, mask_shape) > 0
    allowed[..., 0] = True
    want = attended(q, k, v, np.where(allowed, 0, -np.inf))
    tensors = [tp.tensor(a, device=device) for a in (q, k, v)]
    got = F.scaled_dot_product_attention(*tensors, attn_mask=tp.tensor(allowed, device=device))
    near(got, want, f"attention with a mask of shape {mask_shape}")
    added = np.where(allowed, 0, -1e4).astype(np.float32)
    got = F.scaled_dot_product_attention(*tensors, attn_mask=tp.tensor(added, device=device))
    near(got, want, f"attention with an added mask of shape {mask_shape}")


def test_gradients_of_attention_for_each_operand(device: str) -> None:
    arrays = [numbers(2, 4, 6), numbers(2, 5, 6, seed=1), numbers(2, 5, 6, seed=2)]
    tensors = [tp.tensor(a, device=device, requires_grad=True) for a in arrays]
    out = F.scaled_dot_product_attention(*tensors)
    g = numbers(*out.shape, seed=3)
    out.backward(tp.tensor(g, device=device))
    wide = [a.astype(np.float64) for a in arrays]
    for place, name in enumerate(("query", "key", "value")):
        step = numbers(*arrays[place].shape, seed=4).astype(np.float64)
        ends = []
        for h in (1e-5, -1e-5):
            moved = [a + h * step if i == place else a for i, a in enumerate(wide)]
            ends.append((attended(*moved, 0) * g).sum())
        want, got = (ends[0] - ends[1]) / 2e-5, (array_of(tensors[place].grad) * step).sum()
        assert abs(got - want) <= 1e-4 * (1 + abs(want)), (
            f"attention: gradient of the {name} along a direction: expected {want}, got {got}"
        )


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("ways", [1, 2])
def test_sequences_that_end_early_are_as_if_alone(device: str, kind: str, ways: int) -> None:
    """Packed together: outputs and last states of each, and zeros where one has ended."""
    tp.manual_seed(0)
    lengths = [5, 3, 3, 1]
    layer = getattr(tp.nn, kind)(3, 4, num_layers=2, bidirectional=ways == 2).to(device)
    rows = [tp.randn(length, 3).to(device) for length in lengths]
    pack, pad = tp.nn.utils.rnn.pack_sequence, tp.nn.utils.rnn.pad_packed_sequence
    with tp.no_grad():
        packed, state = layer(pack(rows))
        together, _ = pad(packed)
        states = state if kind == "LSTM" else (state,)
        for place, row in enumerate(rows):
            alone, last = layer(row)
            text = f"{kind} of {lengths} on {device}: sequence {place}"
            got, want = together[: lengths[place], place], alone
            assert np.allclose(array_of(got), array_of(want), atol=1e-5), text
            assert not array_of(together[lengths[place] :, place]).any(), f"{text}, after its end"
            for mine, own in zip(states, last if kind == "LSTM" else (last,), strict=True):
                same = np.allclose(array_of(mine[:, place]), array_of(own), atol=1e-5)
                assert same, f"{text}, its last state"
