"""``nn.utils`` and ``func.functional_call`` against PyTorch's."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest

import tensorplug as tp
from tensorplug import nn

DEVICES = ["cpu", "strict:0"]


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value.detach().tolist() if hasattr(value, "detach") else value


def _both(program: Any, device: str = "cpu") -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = _plain(program(tp, device)), _plain(program(torch, "cpu"))
    assert len(ours) == len(theirs)
    for got, expected in zip(ours, theirs, strict=True):
        assert _flat(got) == pytest.approx(_flat(expected), abs=1e-6)


def _flat(value: Any) -> list[Any]:
    return [x for item in value for x in _flat(item)] if isinstance(value, list) else [value]


def _with_gradients(lib: Any, device: str) -> list[Any]:
    made = [lib.arange(6.0).reshape(2, 3), lib.ones(4), lib.zeros(2)]
    tensors = [x.to(device).requires_grad_() for x in made]
    (tensors[0] ** 2).sum().backward()
    (tensors[1] * -3).sum().backward()
    return tensors  # the last one has no gradient


# --- clipping -------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("norm", [2.0, 1.0, 3.0, math.inf])
@pytest.mark.parametrize("limit", [0.5, 100.0])
def test_clip_grad_norm(limit: float, norm: float, device: str) -> None:
    def program(lib: Any, device: str) -> Any:
        tensors, utils = _with_gradients(lib, device), lib.nn.utils
        grads = [x.grad for x in tensors[:2]]
        alone = utils.get_total_norm(grads, norm)
        found = [alone, utils.clip_grad_norm_((x for x in tensors), limit, norm)]
        utils.clip_grads_with_norm_(tensors[0], limit / 2, found[0])
        single = utils.clip_grad_norm_(tensors[1], 0.1, norm)
        return [*found, single, *(x.grad for x in tensors[:2])]

    _both(program, device)


@pytest.mark.parametrize("device", DEVICES)
def test_clip_grad_value(device: str) -> None:
    def program(lib: Any, device: str) -> Any:
        tensors = _with_gradients(lib, device)
        lib.nn.utils.clip_grad_value_(tensors, 3.5)
        lib.nn.utils.clip_grad_value_(tensors[1], 2)
        return [x.grad for x in tensors[:2]]

    _both(program, device)


def test_norms_of_nothing_and_of_infinity() -> None:
    assert nn.utils.get_total_norm([]).item() == 0
    assert nn.utils.clip_grad_norm_([tp.ones(2)], 1.0).item() == 0
    x = tp.ones(2, requires_grad=True)
    (x * math.inf).sum().backward()
    with pytest.raises(RuntimeError, match=r"finite norm of order 2.0, got inf"):
        nn.utils.clip_grad_norm_(x, 1.0, error_if_nonfinite=True)
    assert nn.utils.clip_grad_norm_(x, 1.0).item() == math.inf
    with pytest.warns(FutureWarning, match=r"expected the name clip_grad_norm_"):
        nn.utils.clip_grad_norm(x, 1.0)


# --- vectors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
def test_parameters_and_vectors(device: str) -> None:
    def program(lib: Any, device: str) -> Any:
        tensors = _with_gradients(lib, device)
        vector = lib.nn.utils.parameters_to_vector(tensors)
        (vector * vector).sum().backward()
        lib.nn.utils.vector_to_parameters(lib.arange(12.0).to(device), tensors)
        return [vector, *tensors, *(x.grad for x in tensors), [x.requires_grad for x in tensors]]

    _both(program, device)


def test_vectors_of_the_wrong_kind() -> None:
    with pytest.raises(TypeError, match=r"parameters on one device, got cpu, strict:0"):
        nn.utils.parameters_to_vector([tp.ones(1), tp.ones(1, device="strict:0")])
    with pytest.raises(TypeError, match=r"expected a tensor, got list"):
        nn.utils.vector_to_parameters([1.0], [tp.ones(1)])  # type: ignore[arg-type]


# --- modules --------------------------------------------------------------------------------------


def test_skip_init_leaves_the_generator_alone() -> None:
    tp.manual_seed(0)
    expected = tp.rand(3)
    tp.manual_seed(0)
    layer = nn.utils.skip_init(nn.Linear, 3, 4, bias=False)
    assert tp.rand(3).equal(expected)
    assert repr(layer) == "Linear(in_features=3, out_features=4, bias=False)"
    with pytest.raises(RuntimeError, match=r"subclass of Module, got int"):
        nn.utils.skip_init(int)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=r"module that takes device, got Dropout"):
        nn.utils.skip_init(nn.Dropout)


CONVOLUTIONS = [
    ("Conv1d", "BatchNorm1d", False, True, True),
    ("Conv2d", "BatchNorm2d", False, False, True),
    ("Conv2d", "BatchNorm2d", False, True, False),
    ("ConvTranspose2d", "BatchNorm2d", True, True, True),
]


@pytest.mark.parametrize(("conv", "norm", "transpose", "bias", "affine"), CONVOLUTIONS)
def test_fusing_keeps_what_is_computed(
    conv: str, norm: str, transpose: bool, bias: bool, affine: bool
) -> None:
    tp.manual_seed(0)
    first = getattr(nn, conv)(3, 4, 2, bias=bias)
    second = getattr(nn, norm)(4, affine=affine)
    x = tp.randn(5, 3, *(6,) * int(conv[-2]))
    for parameter in second.parameters():
        nn.init.uniform_(parameter, 0.5, 2)
    second(first(x))  # statistics other than the first ones
    expected = second.eval()(first.eval()(x))
    fused = nn.utils.fuse_conv_bn_eval(first, second, transpose)
    assert tp.allclose(fused(x), expected, atol=1e-5)
    assert fused.weight.requires_grad
    assert (first.bias is not None) == bias


def test_fusing_linear_layers() -> None:
    tp.manual_seed(0)
    first, second, x = nn.Linear(3, 4), nn.BatchNorm1d(4), tp.randn(5, 3)
    second(first(x))
    with pytest.raises(AssertionError, match=r"in evaluation mode, got training mode"):
        nn.utils.fuse_linear_bn_eval(first, second)
    expected = second.eval()(first.eval()(x))
    assert tp.allclose(nn.utils.fuse_linear_bn_eval(first, second)(x), expected, atol=1e-5)
    with pytest.raises(AssertionError, match=r"1 or 4 features, got 3"):
        nn.utils.fuse_linear_bn_eval(first, nn.BatchNorm1d(3).eval())
    with pytest.raises(ValueError, match=r"running statistics, got none"):
        nn.utils.fuse_linear_bn_eval(first, nn.BatchNorm1d(4, track_running_stats=False).eval())


# --- functional_call ------------------------------------------------------------------------------


class Tied(nn.Module):
    """Two layers with one weight, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(2, 2, bias=False)
        self.two = nn.Linear(2, 2, bias=False)
        self.two.weight = self.one.weight
        self.register_buffer("shift", tp.zeros(2))

    def forward(self, x: Any, scale: float = 1.0) -> Any:
        return self.two(self.one(x)) * scale + self.shift


def test_functional_call_replaces_and_restores() -> None:
    model, x = Tied(), tp.ones(2)
    own, call = model.one.weight, tp.func.functional_call
    weight = tp.eye(2).mul(2.0).requires_grad_()
    found = call(model, {"one.weight": weight, "shift": tp.ones(2)}, x, {"scale": 3.0})
    assert found.tolist() == [13.0, 13.0]
    found.sum().backward()
    assert weight.grad.tolist() == [[12.0, 12.0], [12.0, 12.0]]
    assert model.one.weight is own is model.two.weight
    assert own.grad is None
    parts = ({"one.weight": weight}, {"shift": tp.ones(2)})
    assert call(model, parts, (x,)).tolist() == [5.0, 5.0]
    apart = call(model, {"one.weight": weight, "two.weight": own}, x, tie_weights=False)
    assert apart.equal(own @ (x * 2))
    assert call(model, {"unknown": x}, x).equal(model(x))
    with pytest.warns(FutureWarning, match=r"expected func.functional_call"):
        assert nn.utils.stateless.functional_call(model, {}, x).equal(model(x))


def test_functional_call_restores_after_an_error() -> None:
    model = Tied()
    own = model.one.weight
    with pytest.raises(RuntimeError, match="linear"):
        tp.func.functional_call(model, {"one.weight": tp.ones(2, 3)}, tp.ones(2))
    assert model.one.weight is own


def test_functional_call_checks_names() -> None:
    model, x, call = Tied(), tp.ones(2), tp.func.functional_call
    with pytest.raises(RuntimeError, match=r"unexpected \['unknown'\] and missing \['shift'\]"):
        call(model, {"one.weight": tp.eye(2), "unknown": x}, x, strict=True)
    with pytest.raises(ValueError, match=r"each name once, got twice: \['shift'\]"):
        call(model, ({"shift": x}, {"shift": x}), x)
    with pytest.raises(ValueError, match=r"tied names one.weight, two.weight, got 2"):
        call(model, {"one.weight": tp.eye(2), "two.weight": tp.eye(2)}, x)


def test_functional_call_of_recurrent_layers() -> None:
    layer, x = nn.LSTM(2, 3), tp.randn(4, 2)
    state = {name: (value * 2).requires_grad_() for name, value in layer.state_dict().items()}
    found = tp.func.functional_call(layer, state, x)[0]
    other = nn.LSTM(2, 3)
    other.load_state_dict(state)
    assert found.equal(other(x)[0])
    found.sum().backward()
    assert all(value.grad is not None for value in state.values())


# --- signatures -----------------------------------------------------------------------------------

NAMES = [
    "utils.clip_grad_norm", "utils.clip_grad_norm_", "utils.clip_grad_value_",
    "utils.clip_grads_with_norm_", "utils.get_total_norm", "utils.parameters_to_vector",
    "utils.vector_to_parameters", "utils.skip_init", "utils.fuse_conv_bn_eval",
    "utils.fuse_conv_bn_weights", "utils.fuse_linear_bn_eval", "utils.fuse_linear_bn_weights",
    "utils.weight_norm", "utils.remove_weight_norm", "utils.spectral_norm",
    "utils.remove_spectral_norm", "utils.stateless.functional_call",
    *(f"utils.parametrizations.{name}" for name in ("orthogonal", "weight_norm", "spectral_norm")),
    *(f"utils.parametrize.{name}" for name in nn.utils.parametrize.__all__),
    *(f"init.{name}" for name in nn.init.__all__),
]  # fmt: skip


@pytest.mark.parametrize("name", [*NAMES, "func.functional_call"])
def test_signature_is_that_of_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for lib in (tp, torch):
        function = lib if name.startswith("func.") else lib.nn
        for part in name.split("."):
            function = getattr(function, part)
        parameters = inspect.signature(function).parameters.values()
        found.append([(p.name, p.kind, p.default) for p in parameters])
    assert found[0] == found[1]
