"""What layers and their functions say when settings or inputs do not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import tensorplug as tp
from tensorplug import nn

F = nn.functional
ids = tp.tensor([0, 1])
Wrong = tuple[type[Exception], str, Callable[[], Any]]

SETTINGS: list[Wrong] = [
    (ValueError, "Hardtanh: expected min_val < max_val, got 2.0 and 1.0",
     lambda: nn.Hardtanh(2.0, 1.0)),
    (ValueError, "ConvTranspose2d: expected padding_mode 'zeros', got 'reflect'",
     lambda: nn.ConvTranspose2d(1, 1, 2, padding_mode="reflect")),
    (ValueError, "Bilinear: expected in1_features of 1 or more, got 0",
     lambda: nn.Bilinear(0, 1, 1)),
    (ValueError, "FractionalMaxPool2d: expected output_size or output_ratio, got neither",
     lambda: nn.FractionalMaxPool2d(2)),
    (ValueError, "FractionalMaxPool3d: expected output_size or output_ratio, got both",
     lambda: nn.FractionalMaxPool3d(2, 3, 0.5)),
    (ValueError, r"FractionalMaxPool2d: expected output_ratio between 0 and 1, got \(0.5, 2\)",
     lambda: nn.FractionalMaxPool2d(2, output_ratio=(0.5, 2))),
    (ValueError, "GroupNorm: expected num_channels divisible by num_groups=3, got 4",
     lambda: nn.GroupNorm(3, 4)),
    (NotImplementedError, "SyncBatchNorm: expected process_group=None, got 'all'",
     lambda: nn.SyncBatchNorm(3, process_group="all")),
    (ValueError, "Embedding: expected padding_idx within the 3 rows, got 3",
     lambda: nn.Embedding(3, 2, padding_idx=3)),
    (ValueError, r"Embedding: expected _weight of shape \(3, 2\), got \(2, 3\)",
     lambda: nn.Embedding(3, 2, _weight=tp.ones(2, 3))),
    (ValueError, r"EmbeddingBag.from_pretrained: expected a table of 2 .*, got shape \(4,\)",
     lambda: nn.EmbeddingBag.from_pretrained(tp.ones(4))),
    (ValueError, "KLDivLoss: expected reduction 'batchmean', 'mean', 'sum' or 'none', got 'max'",
     lambda: nn.KLDivLoss(reduction="max")),
    (ValueError, "MultiMarginLoss: expected p of 1 or 2, got 3", lambda: nn.MultiMarginLoss(3)),
    (ValueError, r"MultiMarginLoss: expected a weight of 1 dimension, got \(2, 2\)",
     lambda: nn.MultiMarginLoss(weight=tp.ones(2, 2))),
    (ValueError, "TripletMarginLoss: expected a margin greater than 0, got 0",
     lambda: nn.TripletMarginLoss(0)),
    (ValueError, "TripletMarginWithDistanceLoss: expected a margin greater than 0, got -1",
     lambda: nn.TripletMarginWithDistanceLoss(margin=-1)),
    (ValueError, r"AdaptiveLogSoftmaxWithLoss: expected cutoffs .* 1 and 9, got \[4, 2\]",
     lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 10, [4, 2])),
    (TypeError, "Buffer: expected a Tensor, got list", lambda: nn.Buffer([1.0])),  # type: ignore[arg-type]
]  # fmt: skip

INPUTS: list[Wrong] = [
    (ValueError, r"Softmax2d: expected input of 3 or 4 dimensions, got \(2,\)",
     lambda: nn.Softmax2d()(tp.ones(2))),
    (ValueError, r"BatchNorm2d\(3\): expected input of shape \(batch, 3, height, width\), got "
     r"\(2, 3\)", lambda: nn.BatchNorm2d(3)(tp.ones(2, 3))),
    (RuntimeError, r"BatchNorm1d\(3\): expected .* or \(batch, 3, length\), got \(2, 4\)",
     lambda: nn.BatchNorm1d(3)(tp.ones(2, 4))),
    (ValueError, r"InstanceNorm1d\(3\): .*, got \(2,\)", lambda: nn.InstanceNorm1d(3)(ids)),
    (ValueError, r"ConvTranspose1d: expected output_size of 1 or 3 integers, got \(1, 2\)",
     lambda: nn.ConvTranspose1d(1, 1, 2)(tp.ones(1, 1, 3), (1, 2))),
    (ValueError, r"ConvTranspose1d: expected output_size from \(4,\) to \(4,\) .*, got \(9,\)",
     lambda: nn.ConvTranspose1d(1, 1, 2)(tp.ones(1, 1, 3), (9,))),
    (RuntimeError, r"ConvTranspose1d\(2, 1\): expected .*, got \(1, 3, 3\)",
     lambda: nn.ConvTranspose1d(2, 1, 2)(tp.ones(1, 3, 3))),
    (RuntimeError, r"AdaptiveLogSoftmaxWithLoss: .* \(N, 4\) and .*, got \(2, 4\) and \(3,\)",
     lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 10, [4])(tp.ones(2, 4), tp.zeros(3).long())),
    (RuntimeError, "AdaptiveLogSoftmaxWithLoss: expected targets from 0 to 9, got 10",
     lambda: nn.AdaptiveLogSoftmaxWithLoss(4, 10, [4])(tp.ones(2, 4), ids * 10)),
]  # fmt: skip

_scores, _one = tp.zeros(3, 2, 4), tp.ones(2, 1, dtype=tp.int64)


def _ctc(*args: Any, **kwargs: Any) -> Callable[[], Any]:
    return lambda: F.ctc_loss(*args, **kwargs)


def _bag(*args: Any, **kwargs: Any) -> Callable[[], Any]:
    return lambda: F.embedding_bag(*args, **kwargs)


FUNCTIONS: list[Wrong] = [
    (RuntimeError, r"ctc_loss: expected log_probs of shape .*, got \(4,\)",
     _ctc(tp.zeros(4), ids, (1,), (1,))),
    (RuntimeError, "ctc_loss: expected a blank from 0 to 3, got 4",
     _ctc(_scores, _one, (3, 3), (1, 1), 4)),
    (RuntimeError, "ctc_loss: expected floating-point log_probs, got .*int64",
     _ctc(_scores.long(), _one, (3, 3), (1, 1))),
    (RuntimeError, "ctc_loss: expected targets of integers, got .*float32",
     _ctc(_scores, _one.float(), (3, 3), (1, 1))),
    (RuntimeError, r"ctc_loss: expected targets of shape \(2, S\) or one row, got \(3, 1\)",
     _ctc(_scores, tp.ones(3, 1).long(), (3, 3), (1, 1))),
    (RuntimeError, "ctc_loss: expected 2 input_lengths, one for each sequence, got 1",
     _ctc(_scores, _one, (3,), (1, 1))),
    (RuntimeError, r"ctc_loss: expected input_lengths from 0 to 3, got \[4\]",
     _ctc(_scores, _one, (3, 4), (1, 1))),
    (RuntimeError, r"ctc_loss: expected target_lengths from 0 to 1, got \[2\]",
     _ctc(_scores, _one, (3, 3), (1, 2))),
    (RuntimeError, "ctc_loss: expected 3 targets, the sum of the lengths, got 2",
     _ctc(_scores, ids, (3, 3), (1, 2))),
    (RuntimeError, "ctc_loss: expected labels from 0 to 3, got 9",
     _ctc(_scores, _one * 9, (3, 3), (1, 1))),
    (ValueError, "embedding_bag: expected mode 'sum', 'mean' or 'max', got 'min'",
     _bag(_one, tp.ones(3, 2), mode="min")),
    (ValueError, r"embedding_bag: expected input of 1 or 2 dimensions, got \(\)",
     _bag(ids[0], tp.ones(3, 2))),
    (ValueError, "embedding_bag: expected no offsets with input of 2 dimensions",
     _bag(_one, tp.ones(3, 2), ids)),
    (TypeError, "embedding_bag: expected offsets, a tensor, .*, got NoneType",
     _bag(ids, tp.ones(3, 2))),
    (ValueError, r"embedding_bag: expected offsets of 1 dimension, got \(2, 1\)",
     _bag(ids, tp.ones(3, 2), _one)),
    (ValueError, "embedding_bag: expected offsets that start at 0, got 1",
     _bag(ids, tp.ones(3, 2), ids + 1)),
    (NotImplementedError, "embedding_bag: expected mode 'sum' with per_sample_weights, got 'mean'",
     _bag(_one, tp.ones(3, 2), per_sample_weights=tp.ones(2, 1))),
    (ValueError, r"embedding_bag: expected per_sample_weights of shape \(2, 1\), got \(3,\)",
     _bag(_one, tp.ones(3, 2), per_sample_weights=tp.ones(3), mode="sum")),
    (RuntimeError, "embedding_bag: expected scale_grad_by_freq=False with mode 'max', got True",
     _bag(_one, tp.ones(3, 2), mode="max", scale_grad_by_freq=True)),
    (RuntimeError, "embedding_bag: expected padding_idx within the table, got 3",
     _bag(_one, tp.ones(3, 2), padding_idx=3)),
    (ValueError, "fractional_max_pool2d: expected output_size or output_ratio, got neither",
     lambda: F.fractional_max_pool2d(tp.ones(1, 4, 4), 2)),
    (RuntimeError, r"fractional_max_pool2d: .* fit into spatial size \(4, 4\), got kernel_size",
     lambda: F.fractional_max_pool2d(tp.ones(1, 4, 4), 2, 4)),
    (RuntimeError, r"fractional_max_pool3d: expected an input of 4 or 5 .*, got \(1, 4, 4\)",
     lambda: F.fractional_max_pool3d(tp.ones(1, 4, 4), 2, 2)),
    (ValueError, "multi_margin_loss: expected p of 1 or 2, got 3",
     lambda: F.multi_margin_loss(tp.ones(2, 3), ids, 3)),
    (RuntimeError, r"multi_margin_loss: expected a target of shape \(3,\), got \(2,\)",
     lambda: F.multi_margin_loss(tp.ones(3, 3), ids)),
    (RuntimeError, "multi_margin_loss: expected a target of dtype int64, got .*int32",
     lambda: F.multi_margin_loss(tp.ones(2, 3), ids.int())),
    (RuntimeError, r"multi_margin_loss: expected a weight of shape \(3,\), got \(2,\)",
     lambda: F.multi_margin_loss(tp.ones(2, 3), ids, weight=tp.ones(2))),
    (RuntimeError, r"multilabel_margin_loss: expected a target of shape \(2, 3\), got \(2,\)",
     lambda: F.multilabel_margin_loss(tp.ones(2, 3), ids)),
    (RuntimeError, r"multilabel_margin_loss: expected an input of shape .*, got \(1, 2, 3\)",
     lambda: F.multilabel_margin_loss(tp.ones(1, 2, 3), ids)),
    (RuntimeError, "linear_cross_entropy: expected no ignore_index with a target of .*, got 1",
     lambda: F.linear_cross_entropy(tp.ones(2, 3), tp.ones(4, 3), tp.ones(2, 4), ignore_index=1)),
    (RuntimeError, r"linear_cross_entropy: expected a batched input, .*, got \(3,\)",
     lambda: F.linear_cross_entropy(tp.ones(3), tp.ones(4, 2, 3), tp.ones(4, 2))),
    (RuntimeError, r"linear_cross_entropy: expected a linear_weight of shape .*, got \(3,\)",
     lambda: F.linear_cross_entropy(tp.ones(2, 3), tp.ones(3), ids)),
    (RuntimeError, r"feature_alpha_dropout: expected at least 2 dimensions, got \(3,\)",
     lambda: F.feature_alpha_dropout(tp.ones(3), 0.5, True)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "call"), [*SETTINGS, *INPUTS, *FUNCTIONS])
def test_error(kind: type[Exception], text: str, call: Callable[[], Any]) -> None:
    with pytest.raises(kind, match=text):
        call()


def test_warnings() -> None:
    with pytest.warns(FutureWarning, match=r"Hardtanh: min_value is deprecated; use min_val"):
        assert nn.Hardtanh(min_value=-2.0).min_val == -2.0
    with pytest.warns(UserWarning, match=r"InstanceNorm1d: expected 3 channels, got 2"):
        nn.InstanceNorm1d(3)(tp.ones(1, 2, 4))
    for old in (F.upsample_nearest, F.upsample_bilinear):
        with pytest.warns(UserWarning, match=rf"{old.__name__} is deprecated; use interpolate"):
            assert old(tp.ones(1, 1, 2, 2), scale_factor=2).shape == (1, 1, 4, 4)
