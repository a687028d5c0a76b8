"""Every layer against PyTorch's: printing, state, values and gradients; and by hand without it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pytest

import tensorplug as tp
from tensorplug import nn


class Case(NamedTuple):
    """One layer: its name, its arguments and the shape of its input."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    shape: tuple[int, ...]


LAYERS = [
    Case("Identity", (3,), {"a": 1}, (2, 3)),
    Case("Linear", (3, 4), {}, (2, 3)),
    Case("Linear", (3, 4), {"bias": False}, (5, 2, 3)),
    Case("Linear", (3, 4), {}, (3,)),
    Case("Conv2d", (2, 4, 3), {}, (2, 2, 6, 7)),
    Case("Conv2d", (2, 4, (3, 2)), {"stride": 2, "padding": (1, 0)}, (2, 2, 6, 7)),
    Case("Conv2d", (4, 4, 3), {"groups": 2, "dilation": 2, "padding": "same"}, (2, 4, 6, 7)),
    Case("Conv2d", (2, 4, 2), {"padding": "same", "bias": False}, (2, 6, 7)),
    Case("Conv2d", (2, 2, 3), {"padding": "valid"}, (1, 2, 6, 7)),
    Case("Conv2d", (2, 2, 3), {"padding": 1, "padding_mode": "circular"}, (1, 2, 6, 7)),
    Case("Conv2d", (2, 2, 3), {"padding": 2, "padding_mode": "reflect"}, (1, 2, 6, 7)),
    Case("MaxPool2d", (2,), {}, (2, 3, 6, 7)),
    Case("MaxPool2d", (3, 2, 1), {"ceil_mode": True}, (2, 3, 6, 6)),
    Case("MaxPool2d", ((2, 3),), {"dilation": 2, "stride": 1}, (3, 8, 8)),
    Case("AvgPool2d", (2,), {}, (2, 3, 6, 7)),
    Case("AvgPool2d", (3, 2, 1), {"count_include_pad": False}, (2, 3, 6, 6)),
    Case("Flatten", (), {}, (2, 3, 4)),
    Case("Flatten", (0, 1), {}, (2, 3, 4)),
    Case("Unflatten", (1, (3, -1)), {}, (2, 12)),
    Case("ReLU", (), {}, (2, 3)),
    Case("LeakyReLU", (0.2,), {}, (2, 3)),
    Case("GELU", (), {}, (2, 3)),
    Case("GELU", (), {"approximate": "tanh"}, (2, 3)),
    Case("Sigmoid", (), {}, (2, 3)),
    Case("Tanh", (), {}, (2, 3)),
    Case("Softmax", (), {"dim": 1}, (2, 3)),
    Case("LogSoftmax", (-1,), {}, (2, 3)),
    Case("Dropout", (0.0,), {}, (2, 3)),
]


def _title(case: Case) -> str:
    settings = ",".join([*map(str, case.args), *(f"{k}={v}" for k, v in case.kwargs.items())])
    return f"{case.name}({settings})"


def _values(shape: tuple[int, ...]) -> list[Any]:
    """Distinct numbers around zero that float32 holds exactly."""
    count = math.prod(shape)
    return [(position * 37 % 101 - 50) / 32 for position in range(count)]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # PyTorch's own
@pytest.mark.parametrize("case", LAYERS, ids=_title)
def test_layer_equals_torch(case: Case) -> None:
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, case.name)(*case.args, **case.kwargs)
    ours = getattr(nn, case.name)(*case.args, **case.kwargs)
    assert repr(ours) == repr(theirs)
    assert ours.extra_repr() == theirs.extra_repr()
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict({key: tp.tensor(value.tolist()) for key, value in state.items()})

    x = tp.tensor(_values(case.shape)).reshape(case.shape).requires_grad_()
    y = torch.tensor(_values(case.shape)).reshape(case.shape).requires_grad_()
    got, expected = ours(x), theirs(y)
    assert tuple(got.shape) == tuple(expected.shape)
    assert _flat(got) == pytest.approx(_flat(expected), abs=1e-5)
    (got * got).sum().backward()
    (expected * expected).sum().backward()
    assert _flat(x.grad) == pytest.approx(_flat(y.grad), rel=1e-4, abs=1e-5)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert _flat(mine.grad) == pytest.approx(_flat(other.grad), rel=1e-4, abs=1e-4)


def _flat(tensor: Any) -> list[float]:
    return tensor.detach().reshape(-1).tolist()  # type: ignore[no-any-return]


LOSSES = [
    Case("MSELoss", (), {}, (2, 3)),
    Case("L1Loss", (), {}, (2, 3)),
    Case("NLLLoss", (), {"weight": [1.0, 2.0, 0.5], "ignore_index": 1}, (2, 3)),
    Case("NLLLoss", (), {}, (2, 3, 4)),
    Case("CrossEntropyLoss", (), {}, (2, 3)),
    Case("CrossEntropyLoss", (), {"label_smoothing": 0.1, "weight": [1.0, 2.0, 0.5]}, (2, 3)),
    Case("CrossEntropyLoss", (), {"ignore_index": 2}, (2, 3, 2, 2)),
    Case("BCELoss", (), {"weight": [1.0, 2.0, 0.5]}, (2, 3)),
    Case("BCEWithLogitsLoss", (), {"pos_weight": [1.0, 2.0, 0.5]}, (2, 3)),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("case", LOSSES, ids=_title)
def test_loss_equals_torch(case: Case, reduction: str) -> None:
    torch = pytest.importorskip("torch")
    results = []
    for lib in (tp, torch):
        kwargs = {k: lib.tensor(v) if isinstance(v, list) else v for k, v in case.kwargs.items()}
        loss = getattr(lib.nn, case.name)(*case.args, **kwargs, reduction=reduction)
        x = lib.tensor(_values(case.shape)).reshape(case.shape)
        x = (x.sigmoid() if case.name == "BCELoss" else x).requires_grad_()
        if case.name in ("NLLLoss", "CrossEntropyLoss"):
            count = math.prod(case.shape) // 3
            target = lib.tensor([position % 3 for position in range(count)])
            target = target.reshape((case.shape[0], *case.shape[2:]))
        else:
            count = math.prod(case.shape)
            target = lib.tensor([position % 4 / 4 for position in range(count)])
            target = target.reshape(case.shape)
        value = loss(x, target)
        value.sum().backward()
        results.append([repr(loss), tuple(value.shape), _flat(value), _flat(x.grad)])
    ours, theirs = results
    assert ours[:2] == theirs[:2]
    assert ours[2] == pytest.approx(theirs[2], rel=1e-5, abs=1e-6)
    assert ours[3] == pytest.approx(theirs[3], rel=1e-5, abs=1e-6)


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
