"""Layers and losses by hand, and their errors; parity/ compares all of them with PyTorch."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

import tensorplug as tp
from tensorplug import nn


def test_soft_targets() -> None:
    loss = nn.CrossEntropyLoss()(tp.zeros(2, 4), tp.full((2, 4), 0.25))
    assert loss.item() == pytest.approx(math.log(4))


def test_linear_by_hand() -> None:
    layer = nn.Linear(2, 1)
    layer.load_state_dict({"weight": tp.tensor([[2.0, -1.0]]), "bias": tp.tensor([0.5])})
    assert layer(tp.tensor([[1.0, 1.0], [0.0, 3.0]])).tolist() == [[1.5], [-2.5]]


def test_convolution_by_hand() -> None:
    layer = nn.Conv2d(1, 1, 2, bias=False)
    layer.load_state_dict({"weight": tp.tensor([[[[1.0, 0.0], [0.0, -1.0]]]])})
    x = tp.arange(9.0).reshape(1, 1, 3, 3)
    assert layer(x).tolist() == [[[[-4.0, -4.0], [-4.0, -4.0]]]]
    assert nn.MaxPool2d(2, 1)(x).tolist() == [[[[4.0, 5.0], [7.0, 8.0]]]]
    assert nn.AvgPool2d(2, 1)(x).tolist() == [[[[2.0, 3.0], [5.0, 6.0]]]]


@pytest.mark.parametrize("make", [lambda: nn.Linear(400, 50), lambda: nn.Conv2d(16, 50, 5)])
def test_initial_values_are_even_within_the_bound(make) -> None:  # type: ignore[no-untyped-def]
    tp.manual_seed(0)
    bound = 1 / math.sqrt(400)
    layer = make()
    for parameter in layer.parameters():
        assert parameter.min().item() >= -bound
        assert parameter.max().item() <= bound
    assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert layer.weight.mean().item() == pytest.approx(0, abs=bound / 20)
    tp.manual_seed(0)
    assert make().weight.equal(layer.weight)


def test_dropout() -> None:
    tp.manual_seed(0)
    layer, x = nn.Dropout(0.25), tp.ones(4000)
    out = layer(x)
    assert sorted(set(out.tolist())) == pytest.approx([0.0, 4 / 3])
    assert (out == 0).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert layer.eval()(x).equal(x)
    with pytest.raises(ValueError, match=r"Dropout: expected p between 0 and 1, got 1.5"):
        nn.Dropout(1.5)


def test_max_pooling_can_return_where() -> None:
    x = tp.arange(16.0).reshape(1, 1, 4, 4)
    values, indices = nn.MaxPool2d(2, return_indices=True)(x)
    assert values.reshape(-1).tolist() == [5.0, 7.0, 13.0, 15.0]
    assert indices.reshape(-1).tolist() == [5, 7, 13, 15]


def test_shape_errors_name_the_layer() -> None:
    text = r"Linear\(3, 4\): expected input of shape \(\*, 3\), got \(2, 5\)"
    with pytest.raises(RuntimeError, match=text):
        nn.Linear(3, 4)(tp.zeros(2, 5))
    with pytest.raises(RuntimeError, match=r"Linear\(3, 4\): expected .*, got int"):
        nn.Linear(3, 4)(7)
    text = r"Conv2d\(2, 4\): expected input of shape \(batch, 2, height, width\) .*, got \(3, 3\)"
    with pytest.raises(RuntimeError, match=text):
        nn.Conv2d(2, 4, 1)(tp.zeros(3, 3))
    with pytest.raises(RuntimeError, match=r"Conv2d\(2, 4\): .*, got \(1, 3, 5, 5\)"):
        nn.Conv2d(2, 4, 3)(tp.zeros(1, 3, 5, 5))
    # The shape is right: the layer names the type that is not.
    with pytest.raises(RuntimeError, match=r"Linear\(3, 4\): expected input of dtype .*complex64"):
        nn.Linear(3, 4).double()(tp.zeros(2, 3, dtype=tp.complex64))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"kernel_size": (1, 2, 3)}, r"Conv2d: expected kernel_size of 1 or 2 integers"),
        ({"groups": 0}, "Conv2d: expected groups of at least 1, got 0"),
        ({"groups": 4}, "Conv2d: expected in_channels divisible by groups=4, got 2"),
        ({"padding": "some"}, "Conv2d: expected padding 'same', 'valid' or numbers, got 'some'"),
        ({"padding": "same", "stride": 2}, r"Conv2d: expected stride 1 .*, got \(2, 2\)"),
        ({"padding_mode": "wrap"}, "Conv2d: expected padding_mode one of .*, got 'wrap'"),
    ],
)
def test_convolution_settings(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        nn.Conv2d(2, 4, **{"kernel_size": 3, **settings})


def test_other_settings() -> None:
    with pytest.raises(TypeError, match=r"Unflatten: expected a tuple of integers as sizes"):
        nn.Unflatten(1, "ab")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"MSELoss: expected reduction .*, got 'max'"):
        nn.MSELoss(reduction="max")
    with pytest.warns(UserWarning, match=r"size_average and reduce are deprecated"):
        assert nn.MSELoss(size_average=False).reduction == "sum"
    with pytest.warns(UserWarning, match=r"reduction='none'"):
        assert nn.CrossEntropyLoss(reduce=False).reduction == "none"


# --- normalisation --------------------------------------------------------------------------------


def test_batch_norm_reads_state_without_a_count() -> None:
    norm = nn.BatchNorm1d(2)
    state = {key: tp.full((2,), 0.5) for key in ("weight", "bias", "running_mean", "running_var")}
    norm.load_state_dict(state)
    assert int(norm.num_batches_tracked) == 0
    norm.reset_running_stats()
    assert norm.running_mean.tolist() == [0.0, 0.0]
    assert norm.running_var.tolist() == [1.0, 1.0]


def test_batch_norm_averages_all_batches_without_momentum() -> None:
    norm = nn.BatchNorm1d(1, momentum=None)
    for mean in (2.0, 4.0, 9.0):
        norm(tp.tensor([[mean - 1], [mean + 1]]))
    assert norm.running_mean.item() == pytest.approx(5.0)
    assert int(norm.num_batches_tracked) == 3


def test_sync_batch_norm_takes_over() -> None:
    model = nn.Sequential(nn.BatchNorm2d(3, momentum=0.3), nn.Sequential(nn.BatchNorm1d(2)))
    plain = nn.BatchNorm2d(3, momentum=0.3)
    synced = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert repr(synced).count("SyncBatchNorm(") == 2
    assert list(synced.state_dict()) == list(model.state_dict())
    x = tp.randn(4, 3, 2, 2)
    assert synced[0](x).equal(plain(x))
    assert synced[0].running_var.equal(plain.running_var)


# --- tables ---------------------------------------------------------------------------------------


def test_pretrained_tables() -> None:
    table = tp.tensor([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]])
    layer = nn.Embedding.from_pretrained(table, padding_idx=-1)
    assert layer.padding_idx == 2
    assert not layer.weight.requires_grad
    assert layer(tp.tensor([1, 2])).tolist() == [[3.0, 4.0], [0.0, 0.0]]
    bag = nn.EmbeddingBag.from_pretrained(table, freeze=False, mode="max")
    assert bag.weight.requires_grad
    assert bag(tp.tensor([0, 1]), tp.tensor([0, 2])).tolist() == [[3.0, 4.0], [0.0, 0.0]]
    assert nn.Embedding(4, 3, padding_idx=1).weight[1].tolist() == [0.0, 0.0, 0.0]


def test_frequency_scales_the_gradient_of_bags() -> None:
    bag = nn.EmbeddingBag(3, 1, mode="sum", scale_grad_by_freq=True)
    bag(tp.tensor([[0, 1, 1], [2, 2, 2]])).sum().backward()
    assert bag.weight.grad.flatten().tolist() == pytest.approx([1.0, 1.0, 1.0])


# --- random layers --------------------------------------------------------------------------------


def test_channels_are_dropped_whole() -> None:
    tp.manual_seed(0)
    for layer, size in ((nn.Dropout1d(0.4), 1), (nn.Dropout2d(0.4), 2), (nn.Dropout3d(0.4), 3)):
        out = layer(tp.ones(40, 25, *(2,) * size)).flatten(2)
        assert (out == out[..., :1]).all()
        assert (out == 0).float().mean().item() == pytest.approx(0.4, abs=0.06)
        assert out.max().item() == pytest.approx(1 / 0.6)


def test_alpha_dropout_keeps_mean_and_spread() -> None:
    tp.manual_seed(0)
    x = tp.randn(200, 200)
    for layer in (nn.AlphaDropout(0.3), nn.FeatureAlphaDropout(0.3)):
        out = layer(x)
        assert out.mean().item() == pytest.approx(0, abs=0.03)
        assert out.std().item() == pytest.approx(1, abs=0.03)
        assert layer.eval()(x).equal(x)


def test_random_slopes_and_windows() -> None:
    tp.manual_seed(0)
    out = nn.RReLU(0.2, 0.6)(tp.full((1000,), -1.0))
    assert -0.6 <= out.min().item() < -0.55
    assert -0.25 < out.max().item() <= -0.2
    pool, x = nn.FractionalMaxPool2d(2, output_ratio=0.6, return_indices=True), tp.randn(2, 3, 9, 9)
    values, where = pool(x)
    assert values.shape == where.shape == (2, 3, 5, 5)
    assert x.flatten(2).gather(2, where.flatten(2)).equal(values.flatten(2))
    draws = {tuple(pool(x)[1].flatten().tolist()) for _ in range(5)}
    assert len(draws) > 1


# --- losses ---------------------------------------------------------------------------------------


def _alignments(labels: list[int], steps: int, classes: int) -> list[tuple[int, ...]]:
    """All paths of classes that become ``labels`` when repeats and then blanks (0) go."""
    found = []
    for path in itertools.product(range(classes), repeat=steps):
        merged = [c for c, before in zip(path, (None, *path), strict=False) if c != before]
        if [c for c in merged if c] == labels:
            found.append(path)
    return found


@pytest.mark.parametrize("labels", [[], [1], [1, 2], [1, 1], [2, 1, 2]])
def test_ctc_counts_all_alignments(labels: list[int]) -> None:
    tp.manual_seed(len(labels))
    scores = tp.randn(5, 3, dtype=tp.float64).log_softmax(-1)
    rows = scores.tolist()
    total = sum(
        math.exp(sum(rows[t][c] for t, c in enumerate(path))) for path in _alignments(labels, 5, 3)
    )
    target = tp.tensor(labels, dtype=tp.int64)
    loss = nn.CTCLoss(reduction="none")(scores, target, (5,), (len(labels),))
    assert loss.item() == pytest.approx(-math.log(total))


def test_ctc_without_an_alignment() -> None:
    scores = tp.randn(3, 2, 4, dtype=tp.float64).log_softmax(-1).requires_grad_()
    args = tp.tensor([[1, 1, 2], [1, 2, 3]]), tp.tensor([3, 3]), tp.tensor([3, 2])
    loss = tp.nn.functional.ctc_loss(scores, *args, reduction="none")
    assert loss[0].item() == math.inf
    assert math.isfinite(loss[1].item())
    none = tp.nn.functional.ctc_loss(scores, *args, reduction="none", zero_infinity=True)
    assert none.tolist() == [0.0, loss[1].item()]
    none.sum().backward()
    assert scores.grad[:, 0].abs().max().item() == 0
    assert scores.grad[:, 1].sum(-1).tolist() == pytest.approx([-1.0] * 3)
    # A class of probability zero makes labels impossible, not nan.
    never = tp.tensor([[[0.0, -math.inf]]])
    assert tp.nn.functional.ctc_loss(never, tp.tensor([[1]]), (1,), (1,)).item() == math.inf


def test_ctc_of_long_sequences_and_half_precision() -> None:
    scores = tp.zeros(200, 1, 5).log_softmax(-1)
    loss = tp.nn.functional.ctc_loss(scores, tp.tensor([[1, 2, 3]]), (200,), (3,), reduction="sum")
    assert 250 < loss.item() < 320
    half = tp.nn.functional.ctc_loss(
        scores[:50].half(), tp.tensor([[1, 2, 3]]), (50,), (3,), reduction="sum"
    )
    assert half.dtype is tp.float16


def test_adaptive_softmax_is_a_softmax() -> None:
    tp.manual_seed(0)
    layer = nn.AdaptiveLogSoftmaxWithLoss(16, 12, [4, 8], div_value=2.0)
    x, y = tp.randn(5, 16), tp.tensor([0, 3, 5, 11, 8])
    scores = layer.log_prob(x)
    assert scores.exp().sum(1).tolist() == pytest.approx([1.0] * 5, abs=1e-5)
    output, loss = layer(x, y)
    assert output.tolist() == pytest.approx(scores.gather(1, y[:, None]).flatten().tolist())
    assert loss.item() == pytest.approx(-output.mean().item())
    assert layer.predict(x).equal(scores.argmax(1))
    before = layer.head.weight.clone()
    layer.reset_parameters()
    assert not layer.head.weight.equal(before)


def test_functions_in_place() -> None:
    functional = tp.nn.functional
    for name, args in (
        ("relu", ()), ("elu", ()), ("celu", (0.5,)), ("selu", ()), ("leaky_relu", (0.3,)),
        ("hardtanh", (-0.5, 0.5)), ("threshold", (0.1, 9.0)), ("rrelu", (0.2, 0.2)),
    ):  # fmt: skip
        x = tp.tensor([-1.0, -0.2, 0.3, 2.0])
        expected = getattr(functional, name)(x, *args)
        assert getattr(functional, f"{name}_")(x, *args) is x
        assert x.equal(expected)
