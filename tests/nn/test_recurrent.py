"""Recurrent layers against PyTorch's: outputs, last states and every gradient from one state."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any, NamedTuple

import pytest

import tensorplug as tp
from tensorplug import nn
from tensorplug.autograd.registry import ROWS


class Case(NamedTuple):
    """One layer: its name, its settings, and whether it gets first states and uneven lengths."""

    name: str
    kwargs: dict[str, Any]
    batch: int | None = 3
    states: bool = True
    lengths: list[int] | None = None


def _named(name: str, *cases: tuple[Any, ...]) -> list[Case]:
    return [Case(name, *case) for case in cases]


_FULL = {"num_layers": 2, "bidirectional": True}
_SHARED: list[tuple[Any, ...]] = [
    ({},),
    ({"bias": False}, 3, False),
    ({"num_layers": 3}, 3, False),
    ({**_FULL, "batch_first": True}, 2),
    (_FULL, None),
    ({"batch_first": True}, None, False),
    (_FULL, 4, True, [5, 3, 3, 1]),
    ({"bidirectional": True}, 3, False, [5, 5, 2]),
    ({"num_layers": 2}, 3, True, [2, 5, 1]),
]
LAYERS = [
    *_named("RNN", *_SHARED, ({"nonlinearity": "relu", **_FULL},)),
    *_named("GRU", *_SHARED),
    *_named(
        "LSTM",
        *_SHARED,
        ({"proj_size": 2, **_FULL},),
        ({"proj_size": 2, "bias": False}, 3, True, [5, 2, 1]),
    ),
]
CELLS = [
    Case(name, kwargs, batch, states)
    for name in ("RNNCell", "LSTMCell", "GRUCell")
    for kwargs, batch, states in (({}, 3, True), ({"bias": False}, 3, False), ({}, None, True))
] + [Case("RNNCell", {"nonlinearity": "relu"})]


def _title(case: Case) -> str:
    kwargs = ",".join(f"{key}={value}" for key, value in case.kwargs.items())
    return f"{case.name}({kwargs})-{case.batch}-{case.states}-{case.lengths}"


def _pair(torch: Any, case: Case, device: str) -> tuple[Any, Any]:
    """The same layer twice: PyTorch's, and ours with its state."""
    theirs = getattr(torch.nn, case.name)(3, 4, **case.kwargs, dtype=torch.float64)
    ours = getattr(nn, case.name)(3, 4, **case.kwargs, dtype=tp.float64)
    assert repr(ours) == repr(theirs)
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict({key: tp.tensor(value.numpy()) for key, value in state.items()})
    return theirs, ours.to(device)


def _ours(x: Any, device: str) -> Any:
    return tp.tensor(x.detach().numpy(), device=device).requires_grad_()


def _states(torch: Any, case: Case, theirs: Any, batch: tuple[int, ...]) -> list[Any]:
    layers = getattr(theirs, "num_layers", 0) * (2 if case.kwargs.get("bidirectional") else 1)
    first = (layers,) if layers else ()
    sizes = [case.kwargs.get("proj_size", 4)] + [4] * case.name.startswith("LSTM")
    return [torch.randn(*first, *batch, n, dtype=torch.float64).requires_grad_() for n in sizes]


def _flat(result: Any) -> list[Any]:
    """All tensors of nested tuples; of a packed sequence the data."""
    if isinstance(result, tuple):
        if hasattr(result, "batch_sizes"):
            return [result.data]
        return [tensor for item in result for tensor in _flat(item)]
    return [result]


def _assert_equal(ours: Any, theirs: Any) -> None:
    assert tuple(ours.shape) == tuple(theirs.shape)
    got = ours.detach().reshape(-1).tolist()
    assert got == pytest.approx(theirs.detach().reshape(-1).tolist(), rel=1e-9, abs=1e-10)


def _compare(torch: Any, theirs: Any, ours: Any, x: Any, states: list[Any], device: str,
             pack: Any = None) -> None:  # fmt: skip
    y, firsts = _ours(x, device), [_ours(state, device) for state in states]

    def run(layer: Any, x: Any, states: list[Any], lib: Any) -> list[Any]:
        packed = x if pack is None else pack(lib, x)
        hx = () if not states else (states[0] if len(states) == 1 else tuple(states),)
        found = _flat(layer(packed, *hx))
        sum((out.sin() * out).sum() for out in found).backward()
        return found

    for got, expected in zip(run(ours, y, firsts, tp), run(theirs, x, states, torch), strict=True):
        _assert_equal(got, expected)
    _assert_equal(y.grad, x.grad)
    for got, expected in zip(firsts, states, strict=True):
        _assert_equal(got.grad, expected.grad)
    for (name, got), expected in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert got.grad is not None, name
        _assert_equal(got.grad, expected.grad)


def _check(case: Case, device: str) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs, ours = _pair(torch, case, device)
    batch = () if case.batch is None else (case.batch,)
    first = bool(case.kwargs.get("batch_first")) and case.lengths is None
    shape = (*batch, 5, 3) if first else (5, *batch, 3)
    x = torch.randn(*shape, dtype=torch.float64).requires_grad_()
    states = _states(torch, case, theirs, batch) if case.states else []

    def pack(lib: Any, x: Any) -> Any:
        return lib.nn.utils.rnn.pack_padded_sequence(x, case.lengths, enforce_sorted=False)

    _compare(torch, theirs, ours, x, states, device, pack if case.lengths else None)


@pytest.mark.parametrize("case", LAYERS, ids=_title)
def test_layer_equals_torch(case: Case) -> None:
    _check(case, "cpu")


@pytest.mark.parametrize("case", [case for case in LAYERS if case.kwargs == _FULL], ids=_title)
def test_layer_equals_torch_on_another_device(case: Case) -> None:
    _check(case, "strict:0")


def test_layer_equals_torch_on_jax() -> None:
    pytest.importorskip("jax")
    _check(Case("LSTM", {"num_layers": 2}), "xla:0")


@pytest.mark.parametrize("device", ["cpu", "strict:0"])
@pytest.mark.parametrize("case", CELLS, ids=_title)
def test_cell_equals_torch(case: Case, device: str) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs, ours = _pair(torch, case, device)
    batch = () if case.batch is None else (case.batch,)
    x = torch.randn(*batch, 3, dtype=torch.float64).requires_grad_()
    _compare(torch, theirs, ours, x, _states(torch, case, theirs, batch) if case.states else [],
             device)  # fmt: skip


@pytest.mark.parametrize(
    "name", ["RNNBase", "RNN", "LSTM", "GRU", "RNNCellBase", "RNNCell", "LSTMCell", "GRUCell"]
)
def test_signature_is_that_of_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, name, None) or getattr(torch.nn.modules.rnn, name)
    for method in ("__init__", "forward") if name not in ("RNNBase", "RNNCellBase") else (
        "__init__",
    ):  # fmt: skip
        found, expected = (
            [(p.name, p.kind, p.default) for p in inspect.signature(f).parameters.values()]
            for f in (getattr(getattr(nn, name), method), getattr(theirs, method))
        )
        assert found == expected


# --- the op ---------------------------------------------------------------------------------------

MODES = {"tanh": 1, "relu": 1, "gru": 3, "lstm": 4}


def _arguments(mode: str, projected: bool, device: str) -> list[Any]:
    generator = tp.Generator().manual_seed(1)

    def draw(*shape: int) -> Any:
        values = tp.randn(*shape, dtype=tp.float64, generator=generator)
        return values.to(device).requires_grad_()

    rows, out = 2 * MODES[mode], 1 if projected else 2
    weights = [draw(rows, 2), draw(rows, out), draw(rows), draw(rows)]
    c0 = draw(2, 2) if mode == "lstm" else None
    return [draw(3, 2), draw(2, out), c0, *weights, draw(1, 2) if projected else None]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("mode", "projected"), [*((mode, False) for mode in MODES), ("lstm", True)]
)
def test_derivatives_of_second_order(mode: str, projected: bool, backwards: bool) -> None:
    arguments = _arguments(mode, projected, "cpu")
    inputs = [x for x in arguments if x is not None]
    call = ROWS["recurrent"].call

    def run(*values: Any) -> Any:
        given = iter(values)
        filled = [None if x is None else next(given) for x in arguments]
        return tuple(x for x in call(*filled, mode, (2, 1), backwards)[:3] if x is not None)

    assert tp.autograd.gradcheck(run, inputs)
    assert tp.autograd.gradgradcheck(run, inputs)


@pytest.mark.parametrize(
    ("mode", "sizes", "backwards", "projected"),
    [
        ("tanh", (2, 1), False, False),
        ("relu", (2, 1), True, False),
        ("gru", (2, 1), True, False),
        ("lstm", (2, 1), False, True),
    ],
)
def test_scans_of_jax_agree(
    mode: str, sizes: tuple[int, ...], backwards: bool, projected: bool
) -> None:
    pytest.importorskip("jax")
    found = []
    for device in ("cpu", "xla:0"):
        arguments = _arguments(mode, projected, device)
        outs = ROWS["recurrent"].call(*arguments, mode, sizes, backwards)[:3]
        outs = [x for x in outs if x is not None]
        (outs[0] * outs[1].sum()).sum().backward()  # the cell's last value is not used
        grads = [x.grad for x in arguments if x is not None]
        found.append([x.detach().cpu() for x in (*outs, *grads)])
    assert all(tp.allclose(x, y, rtol=1e-10) for x, y in zip(*found, strict=True))


@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize("dtype", [tp.float16, tp.bfloat16])
def test_half_precision_is_close(mode: str, dtype: Any) -> None:
    arguments = _arguments(mode, False, "cpu")
    narrow = [None if x is None else x.detach().to(dtype).requires_grad_() for x in arguments]
    call = ROWS["recurrent"].call
    wide_out, narrow_out = (call(*given, mode, (2, 1), False)[0] for given in (arguments, narrow))
    assert narrow_out.dtype is dtype
    assert tp.allclose(narrow_out.double(), wide_out, atol=0.03)
    wide_out.sum().backward()
    narrow_out.sum().backward()
    assert tp.allclose(narrow[0].grad.double(), arguments[0].grad, atol=0.05)


# --- settings and errors --------------------------------------------------------------------------


def test_dropout_is_between_layers_and_in_training_only() -> None:
    tp.manual_seed(0)
    layer, x = nn.GRU(3, 4, 2, dropout=0.5), tp.randn(5, 2, 3)
    assert not layer(x)[0].equal(layer(x)[0])
    plain = nn.GRU(3, 4, 2)
    plain.load_state_dict(layer.state_dict())
    assert layer.eval()(x)[0].equal(plain(x)[0])
    dropped = nn.GRU(3, 4, 2, dropout=1.0)  # the second layer then sees zeros only
    one, other = dropped(x)[0], dropped(tp.randn(5, 2, 3))[0]
    assert one.equal(other)


def test_initial_values() -> None:
    tp.manual_seed(0)
    for layer in (nn.LSTM(40, 64), nn.GRUCell(40, 64)):
        for weight in layer.parameters():
            assert weight.abs().max().item() <= 1 / 8
        assert layer.parameters().__next__().std().item() == pytest.approx(1 / 8 / 3**0.5, rel=0.05)
    assert len(nn.LSTM(3, 4, 2, proj_size=2).all_weights[1]) == 5
    nn.LSTM(3, 4).flatten_parameters()


def test_autocast_casts_inputs_states_and_weights() -> None:
    x, first = tp.randn(5, 2, 3), nn.Linear(3, 3)
    for layer in (nn.LSTM(3, 4), nn.GRU(3, 4), nn.LSTMCell(3, 4)):
        with tp.autocast("cpu", dtype=tp.bfloat16):
            given = first(x)
            out = layer(given if isinstance(layer, nn.RNNBase) else given[0])[0]
        assert given.dtype is tp.bfloat16
        assert out.dtype is tp.bfloat16
        out.float().sum().backward()
        assert {weight.grad.dtype for weight in layer.parameters()} == {tp.float32}


def test_all_devices_compute_alike() -> None:
    layer, x = nn.LSTM(3, 4, 2, bidirectional=True), tp.randn(5, 2, 3)
    expected = layer(x)[0]
    assert tp.allclose(layer.to("strict:0")(x.to("strict:0"))[0].cpu(), expected, atol=1e-6)


def test_settings_out_of_range_are_refused() -> None:
    cases: list[tuple[Any, type[Exception], str]] = [
        (
            lambda: nn.RNNBase("LSTN", 3, 4),
            ValueError,
            r"expected mode one of LSTM, .*, got 'LSTN'",
        ),
        (lambda: nn.LSTM(3, 4, dropout=2), ValueError, r"LSTM: expected dropout .*, got 2"),
        (lambda: nn.LSTM(3, 4.0), TypeError, r"LSTM: expected hidden_size to be an int, got float"),
        (lambda: nn.GRU(3, 0), ValueError, r"GRU: expected hidden_size above 0, got 0"),
        (lambda: nn.GRU(3, 4, 0), ValueError, r"GRU: expected num_layers above 0, got 0"),
        (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, r"below hidden_size=4, got 4"),
        (lambda: nn.GRU(3, 4, proj_size=2), ValueError, r"GRU: expected no proj_size"),
        (lambda: nn.RNN(3, 4, proj_size=2), ValueError, r"RNN: expected no proj_size"),
        (lambda: nn.RNN(3, 4, 1, "sin"), ValueError, r"'tanh' or 'relu', got 'sin'"),
    ]
    for make, error, text in cases:
        with pytest.raises(error, match=text):
            make()
    with pytest.warns(
        UserWarning, match=r"GRU: expected num_layers above 1 with dropout=0.5, got 1"
    ):
        nn.GRU(3, 4, dropout=0.5)


def test_wrong_inputs_are_refused() -> None:
    x, lstm = tp.zeros(5, 2, 3), nn.LSTM(3, 4)
    cases: list[tuple[Any, type[Exception], str]] = [
        (lambda: lstm([1.0]), TypeError, r"LSTM: expected a tensor or a PackedSequence, got list"),
        (lambda: lstm(x[0, 0]), ValueError, r"input of 2 or 3 dimensions, got shape \(3,\)"),
        (lambda: lstm(x[..., :2]), RuntimeError, r"input of 3 features, got 2: shape \(5, 2, 2\)"),
        (lambda: lstm(x.double()), RuntimeError, r"tensorplug.float32, got tensorplug.float64"),
        (lambda: nn.GRU(3, 4)(x, tp.zeros(1, 2, 4, dtype=tp.float64)), RuntimeError,
         r"GRU: expected input of dtype tensorplug.float32, got tensorplug.float64"),
        (lambda: nn.GRUCell(3, 4)(x[0].to("strict:0")), RuntimeError,
         r"GRUCell\(3, 4\): expected input on cpu, got strict:0"),
        (lambda: lstm(x[:0]), RuntimeError, r"LSTM: expected a sequence of at least 1 step, got 0"),
        (lambda: lstm(x, tp.zeros(1, 2, 4)), RuntimeError, r"pair \(h_0, c_0\) as hx, got Tensor"),
        (lambda: nn.GRU(3, 4)(x, tp.zeros(1, 3, 4)), RuntimeError,
         r"first state of shape \(1, 2, 4\), got \(1, 3, 4\)"),
        (lambda: nn.GRUCell(3, 4)(x), RuntimeError, r"GRUCell\(3, 4\): .*, got \(5, 2, 3\)"),
        (lambda: nn.GRUCell(3, 4)(x[0], tp.zeros(4)), RuntimeError,
         r"GRUCell\(3, 4\): expected a state of shape \(2, 4\), got \(4,\)"),
        (lambda: nn.RNNCell(3, 4, nonlinearity="sin")(x[0]), RuntimeError, r"'relu', got 'sin'"),
    ]  # fmt: skip
    for call, error, text in cases:
        with pytest.raises(error, match=text):
            call()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("layer", [nn.LSTM(3, 4, 2, proj_size=2), nn.RNNCell(3, 4)])
def test_layers_are_copied_and_pickled(layer: Any, copied: Any) -> None:
    other, x = copied(layer), tp.randn(5, 3)
    assert repr(other) == repr(layer)
    assert other(x)[0].equal(layer(x)[0])
