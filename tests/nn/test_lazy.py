"""Lazy layers: what they are before and after their first call."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import tensorplug as tp
from tensorplug import nn

LAYERS: list[tuple[nn.Module, nn.Module, tuple[int, ...]]] = [
    (nn.LazyLinear(4), nn.Linear(3, 4), (2, 3)),
    (nn.LazyLinear(4, bias=False), nn.Linear(3, 4, bias=False), (2, 3)),
    (nn.LazyConv1d(4, 2), nn.Conv1d(3, 4, 2), (3, 5)),
    (nn.LazyConv2d(4, 2, groups=2, bias=False), nn.Conv2d(6, 4, 2, groups=2, bias=False),
     (1, 6, 5, 5)),
    (nn.LazyConv3d(4, 2), nn.Conv3d(3, 4, 2), (1, 3, 2, 3, 4)),
    (nn.LazyConvTranspose1d(4, 2), nn.ConvTranspose1d(3, 4, 2), (1, 3, 5)),
    (nn.LazyConvTranspose2d(4, 2, 2, output_padding=1),
     nn.ConvTranspose2d(3, 4, 2, 2, output_padding=1), (3, 2, 2)),
    (nn.LazyConvTranspose3d(4, 2), nn.ConvTranspose3d(3, 4, 2), (1, 3, 2, 2, 2)),
    (nn.LazyBatchNorm1d(), nn.BatchNorm1d(3), (4, 3)),
    (nn.LazyBatchNorm2d(bias=False), nn.BatchNorm2d(3, bias=False), (4, 3, 2, 2)),
    (nn.LazyBatchNorm3d(affine=False), nn.BatchNorm3d(3, affine=False), (4, 3, 2, 2, 2)),
    (nn.LazyInstanceNorm1d(), nn.InstanceNorm1d(3, affine=True, track_running_stats=True), (3, 4)),
    (nn.LazyInstanceNorm2d(track_running_stats=False), nn.InstanceNorm2d(3, affine=True),
     (1, 3, 2, 2)),
    (nn.LazyInstanceNorm3d(affine=False, track_running_stats=False), nn.InstanceNorm3d(3),
     (1, 3, 2, 2, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("lazy", "plain", "shape"), LAYERS, ids=lambda v: type(v).__name__)
def test_becomes_the_plain_layer(lazy: Any, plain: Any, shape: tuple[int, ...]) -> None:
    assert [name for name, _ in lazy.named_parameters()] == [
        name for name, _ in plain.named_parameters()
    ]
    before = list(lazy.parameters())
    loaded, again = copy.deepcopy(lazy), pickle.loads(pickle.dumps(lazy))
    tp.manual_seed(0)
    plain.reset_parameters()
    tp.manual_seed(0)
    x = tp.arange(float(tp.zeros(shape).numel())).reshape(shape).sin()
    out = lazy(x)
    assert type(lazy) is type(plain)
    assert repr(lazy) == repr(plain)
    assert out.equal(plain(x))
    assert all(old is new for old, new in zip(before, lazy.parameters(), strict=True))
    loaded.load_state_dict(plain.state_dict())
    plain.eval()
    for other in (loaded.eval(), again.eval()):
        other(x)
        assert repr(other) == repr(plain)
    assert loaded(x).equal(plain(x))


def test_moves_before_the_first_call() -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d()).double()
    twin = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d()).double()
    twin.load_state_dict(model.state_dict())
    assert model[0].has_uninitialized_params()
    assert model[1].has_uninitialized_params()
    assert twin[1].has_uninitialized_params()
    assert model(tp.ones(2, 5, dtype=tp.float64)).dtype is tp.float64
    assert model[1].running_var.dtype is tp.float64


def test_errors() -> None:
    with pytest.raises(
        RuntimeError, match=r"LazyConv2d: expected input of 3 or 4 .*, got \(3, 4\)"
    ):
        nn.LazyConv2d(1, 2)(tp.ones(3, 4))
    with pytest.raises(ValueError, match=r"expected in_channels divisible by groups=2, got 3"):
        nn.LazyConv2d(2, 2, groups=2)(tp.ones(3, 4, 4))
