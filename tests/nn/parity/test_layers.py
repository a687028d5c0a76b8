"""Every layer and loss of the table: signature, state, printing, values and gradients."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import numpy as np
import pytest

import tensorplug as tp

from .cases import CASES
from .table import Case, Input

torch = pytest.importorskip("torch")

pytestmark = [
    # PyTorch's own warnings: both of them are about what these cases ask for on purpose.
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel"),
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss"),
    pytest.mark.filterwarnings("ignore:dropout2d. Received"),
]

# All cases run on the CPU, one case of each layer on strict, some on xla, which compiles each.
FIRST = list({case.name: case for case in reversed(CASES)}.values())
COMPILED = {
    "BatchNorm2d", "CTCLoss", "Conv2d", "CrossEntropyLoss", "Embedding", "LayerNorm", "Linear",
    "MaxPool2d",
}  # fmt: skip
RUNS = [
    *(("cpu", dtype, case) for dtype in ("float32", "float64") for case in CASES),
    *(("strict:0", "float64", case) for case in FIRST),
    *(("xla:0", "float32", case) for case in FIRST if case.name in COMPILED),
]
# PyTorch rounds constants of Hardsigmoid and CELU to float32, whatever the dtype.
TOLERANCE = {"float32": (1e-4, 2e-5), "float64": (1e-7, 1e-9)}

# Recurrent and attention layers have a table of their own; the others do not exist here.
ELSEWHERE = {
    "GRU", "GRUCell", "LSTM", "LSTMCell", "MultiheadAttention", "RNN", "RNNBase", "RNNCell",
    "RNNCellBase", "Transformer", "TransformerDecoder", "TransformerDecoderLayer",
    "TransformerEncoder", "TransformerEncoderLayer",
}  # fmt: skip
CONTAINERS = {
    "Buffer", "Module", "ModuleDict", "ModuleList", "Parameter", "ParameterDict", "ParameterList",
    "Sequential", "DataParallel", "LinearCrossEntropyOptions",
}  # fmt: skip
LAZY = {name for name in vars(torch.nn) if name.startswith("Lazy")}
ABSENT = {
    "UninitializedBuffer", "UninitializedParameter",
    "Container", "CrossMapLRN2d", "NLLLoss2d",
}  # fmt: skip


class Side:
    """One of the two libraries: makes its tensors and reads its results."""

    def __init__(self, library: Any, dtype: str, device: str) -> None:
        self.library = library
        self.dtype = getattr(library, dtype)
        self.device = device

    def tensor(self, array: Any) -> Any:
        """A leaf; floating arrays get the dtype of this run."""
        dtype = self.dtype if array.dtype.kind == "f" else self.library.int64
        return self.library.tensor(array.tolist(), dtype=dtype, device=self.device)

    def argument(self, value: Any, arrays: dict[int, Any]) -> Any:
        """A setting of the layer, or an input of it."""
        if isinstance(value, Input):
            tensor = self.tensor(arrays[id(value)])
            return tensor.requires_grad_() if value.kind == "float" else tensor
        if isinstance(value, list) and not isinstance(value[0], float):
            return self.tensor(np.array(value))
        return value

    def layer(self, case: Case, arrays: dict[int, Any]) -> Any:
        """The layer, with its settings as constants."""

        def constant(value: Any) -> Any:
            made = self.argument(value, arrays) if isinstance(value, Input) else value
            return made.detach() if isinstance(value, Input) else made

        args = [constant(value) for value in case.args]
        kwargs = {key: constant(value) for key, value in case.kwargs.items()}
        return getattr(self.library.nn, case.name)(*args, **kwargs)


def _arrays(case: Case) -> dict[int, Any]:
    draw = case.draw()
    values = [*case.args, *case.kwargs.values(), *case.inputs]
    return {id(value): value.array(draw) for value in values if isinstance(value, Input)}


def _fill(layer: Any, case: Case) -> dict[str, Any]:
    """Numbers for every parameter and buffer, as a state dict of arrays."""
    draw, state = case.draw(), {}
    for key, value in layer.state_dict().items():
        shape = tuple(value.shape)
        if key.endswith("num_batches_tracked"):
            state[key] = np.array(3)
        elif key in dict(layer.named_parameters()):
            state[key] = draw.uniform(-1, 1, shape)
        else:
            state[key] = draw.uniform(0.5, 1.5, shape)
    return state


def _numbers(value: Any) -> Any:
    if value is None:
        return None
    return np.array(value.detach().tolist(), dtype=np.float64)


def _run(side: Side, layer: Any, case: Case, arrays: dict[int, Any]) -> dict[str, Any]:
    """One forward and one backward pass: results, gradients and what has become of the state."""
    inputs = [side.argument(value, arrays) for value in case.inputs]
    # What a layer overwrites must not be a leaf.
    given = [v * 1 if getattr(v, "requires_grad", False) else v for v in inputs]
    if case.name == "CTCLoss":
        given[0] = given[0].log_softmax(-1)
    for parameter in layer.parameters():
        parameter.grad = None
    out = layer(*given)
    results = list(out) if isinstance(out, tuple) else [out]
    found = {f"result {i}": _numbers(result) for i, result in enumerate(results)}
    draw, total = case.draw(), 0.0
    for result in results:
        weights = side.tensor(draw.uniform(0.5, 1.5, tuple(result.shape)))
        if result.requires_grad:
            total = total + (result * weights).sum()
    if isinstance(total, side.library.Tensor):
        total.backward()
    for i, value in enumerate(inputs):
        if getattr(value, "requires_grad", False):
            found[f"gradient of input {i}"] = _numbers(value.grad)
    for name, parameter in layer.named_parameters():
        found[f"gradient of {name}"] = _numbers(parameter.grad)
    for name, value in layer.state_dict().items():
        found[f"state {name}"] = _numbers(value)
    return found


def _compare(ours: dict[str, Any], theirs: dict[str, Any], dtype: str) -> None:
    relative, absolute = TOLERANCE[dtype]
    assert list(ours) == list(theirs)
    for what, expected in theirs.items():
        assert (ours[what] is None) == (expected is None), what
        if expected is not None:
            np.testing.assert_allclose(
                ours[what], expected, rtol=relative, atol=absolute, err_msg=what
            )


@pytest.mark.parametrize(
    ("device", "dtype", "case"),
    RUNS,
    ids=lambda value: value.title if isinstance(value, Case) else value,
)
def test_layer_equals_torch(device: str, dtype: str, case: Case) -> None:
    arrays = _arrays(case)
    there = Side(torch, dtype, "cpu")
    here = Side(tp, dtype, device)
    theirs, ours = there.layer(case, arrays).to(there.dtype), here.layer(case, arrays)
    ours = ours.to(device, here.dtype)
    assert repr(ours) == repr(theirs)
    assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()
    }
    assert [k for k, _ in ours.named_parameters()] == [k for k, _ in theirs.named_parameters()]
    state = _fill(theirs, case)
    for training in (False,) if case.random else (True, False):
        for side, layer in ((there, theirs), (here, ours)):
            layer.load_state_dict({key: side.tensor(value) for key, value in state.items()})
            layer.train(training)
        _compare(_run(here, ours, case, arrays), _run(there, theirs, case, arrays), dtype)


@pytest.mark.parametrize("case", FIRST, ids=lambda case: case.name)
def test_layer_can_be_copied_and_pickled(case: Case) -> None:
    layer = Side(tp, "float32", "cpu").layer(case, _arrays(case)).eval()
    state = layer.state_dict()
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert repr(twin) == repr(layer)
        assert not twin.training
        other = twin.state_dict()
        assert list(other) == list(state)
        assert all(other[key].equal(value) for key, value in state.items())
        assert not {id(p) for p in twin.parameters()} & {id(p) for p in layer.parameters()}


def _signature(library: Any, name: str) -> list[tuple[str, Any, Any]]:
    parameters = inspect.signature(getattr(library.nn, name)).parameters.values()
    return [(p.name, p.kind, p.default) for p in parameters]


@pytest.mark.parametrize("name", sorted({case.name for case in CASES} | CONTAINERS | LAZY))
def test_constructor_equals_torch(name: str) -> None:
    assert _signature(tp, name) == _signature(torch, name)


DRAWN = [
    ("Linear", (400, 100)), ("Bilinear", (100, 20, 30)), ("Conv1d", (16, 40, 25)),
    ("Conv2d", (16, 40, 5)), ("Conv3d", (8, 40, 5)), ("ConvTranspose1d", (40, 16, 25)),
    ("ConvTranspose2d", (40, 16, 5)), ("ConvTranspose3d", (40, 8, 5)), ("Embedding", (200, 100)),
    ("EmbeddingBag", (200, 100)), ("PReLU", (9,)), ("BatchNorm2d", (5,)), ("LayerNorm", (5,)),
    ("GroupNorm", (1, 5)), ("RMSNorm", (5,)), ("InstanceNorm1d", (5, 1e-5, 0.1, True, True)),
    ("AdaptiveLogSoftmaxWithLoss", (200, 600, [100, 300], 2.0, True)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args"), DRAWN)
def test_first_values_equal_torchs(name: str, args: Any) -> None:
    """Their distribution: limits, mean and spread."""
    tp.manual_seed(0)
    torch.manual_seed(0)
    ours, theirs = (getattr(lib.nn, name)(*args).state_dict() for lib in (tp, torch))
    assert list(ours) == list(theirs)
    for key, expected in theirs.items():
        got, want = _numbers(ours[key]), _numbers(expected)
        spread = want.std()
        few = 4 * spread / np.sqrt(want.size)
        assert got.mean() == pytest.approx(want.mean(), abs=2 * few)
        assert got.std() == pytest.approx(spread, abs=few, rel=0.02)
        # Even draws have the same limits; normal ones only about the same.
        slack = 0.7 if "Embedding" in name else 0.1
        assert np.abs(got).max() == pytest.approx(np.abs(want).max(), abs=slack * spread)


def test_the_table_is_complete() -> None:
    """Every layer that PyTorch exports is in the table, has one of its own, or is listed absent."""
    classes = {
        name
        for name, value in vars(torch.nn).items()
        if isinstance(value, type) and not name.startswith("_")
    }
    tested = {case.name for case in CASES}
    assert classes - tested - ELSEWHERE - CONTAINERS - ABSENT - LAZY == {"SyncBatchNorm"}
