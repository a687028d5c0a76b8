"""Parametrizations, weight norm and spectral norm against PyTorch's, from one state."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import tensorplug as tp
from tensorplug import nn
from tensorplug.nn.utils import parametrizations, parametrize

pytestmark = pytest.mark.filterwarnings("ignore:.*nn.utils.weight_norm:FutureWarning")


def _assert_equal(ours: Any, theirs: Any) -> None:
    assert tuple(ours.shape) == tuple(theirs.shape)
    got = ours.detach().reshape(-1).tolist()
    assert got == pytest.approx(theirs.detach().reshape(-1).tolist(), rel=1e-7, abs=1e-8)


# the function below nn.utils, its arguments, the layer and its arguments, the input's shape
LINEAR, CONV = ("Linear", (4, 3), (2, 4)), ("Conv2d", (2, 3, 2), (1, 2, 4, 4))
CASES: list[tuple[str, dict[str, Any], tuple[str, Any, Any]]] = [
    ("weight_norm", {}, LINEAR),
    ("weight_norm", {"dim": None}, CONV),
    ("weight_norm", {"name": "bias"}, LINEAR),
    ("spectral_norm", {}, LINEAR),
    ("spectral_norm", {"n_power_iterations": 3, "eps": 1e-3}, CONV),
    ("spectral_norm", {}, ("ConvTranspose2d", (2, 3, 2), (1, 2, 4, 4))),
    ("parametrizations.weight_norm", {}, LINEAR),
    ("parametrizations.weight_norm", {"dim": 1}, CONV),
    ("parametrizations.weight_norm", {"dim": None}, CONV),
    ("parametrizations.spectral_norm", {}, LINEAR),
    ("parametrizations.spectral_norm", {"dim": 1, "n_power_iterations": 2}, CONV),
    ("parametrizations.spectral_norm", {"name": "bias"}, LINEAR),
    *(
        ("parametrizations.orthogonal", {"orthogonal_map": name, "use_trivialization": base}, layer)
        for name in (None, "matrix_exp", "cayley", "householder")
        for base in (True, False)
        for layer in (LINEAR, ("Linear", (3, 4), (2, 3)), ("Linear", (3, 3), (2, 3)))
    ),
]


def _made(lib: Any, path: str, kwargs: dict[str, Any], layer: tuple[str, Any, Any]) -> Any:
    function = lib.nn.utils
    for part in path.split("."):
        function = getattr(function, part)
    return function(getattr(lib.nn, layer[0])(*layer[1], dtype=lib.float64), **kwargs)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("path", "kwargs", "layer"), CASES)
def test_norms_and_orthogonal_weights_equal_torch(
    path: str, kwargs: dict[str, Any], layer: tuple[str, Any, Any], training: bool
) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    tp.manual_seed(0)
    theirs, ours = (_made(lib, path, kwargs, layer).train(training) for lib in (torch, tp))
    assert repr(ours) == repr(theirs)
    if "base" not in str(list(theirs.state_dict())):
        for weight in theirs.parameters():
            torch.nn.init.uniform_(weight, 0.5, 2)
    state = {key: tp.tensor(value.numpy()) for key, value in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)
    x = torch.randn(layer[2], dtype=torch.float64)
    for _ in range(2):  # the power method goes on
        found, expected = ours(tp.tensor(x.numpy())), theirs(x)
        _assert_equal(found, expected)
    found.sin().sum().backward()
    expected.sin().sum().backward()
    for got, wanted in zip(ours.parameters(), theirs.parameters(), strict=True):
        _assert_equal(got.grad, wanted.grad)
    for got, wanted in zip(ours.buffers(), theirs.buffers(), strict=True):
        _assert_equal(got, wanted)


@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 4)])
@pytest.mark.parametrize("name", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("base", [True, False])
def test_orthogonal_weights_can_be_assigned(name: str, shape: tuple[int, int], base: bool) -> None:
    tp.manual_seed(0)
    layer = nn.Linear(shape[1], shape[0], dtype=tp.float64)
    parametrizations.orthogonal(layer, orthogonal_map=name, use_trivialization=base)
    wanted = nn.init.orthogonal_(tp.empty(shape, dtype=tp.float64))
    if not base and name != "householder":
        with pytest.raises(NotImplementedError, match=rf"the {name} map, got False"):
            layer.weight = wanted
        return
    layer.weight = wanted
    assert tp.allclose(layer.weight, wanted, atol=1e-10)
    with pytest.raises(ValueError, match=r"matrix of shape .*, got \(1, 1\)"):
        layer.weight = tp.ones(1, 1, dtype=tp.float64)


def test_old_weight_norm_is_removed_and_loads_into_the_new_one() -> None:
    layer = nn.Linear(3, 2)
    x, expected = tp.randn(4, 3), layer.weight.clone()
    with pytest.warns(FutureWarning, match=r"expected nn.utils.parametrizations.weight_norm"):
        nn.utils.weight_norm(layer)
    state = layer.state_dict()
    newer = parametrizations.weight_norm(nn.Linear(3, 2))
    newer.load_state_dict(state)
    assert tp.allclose(newer(x), layer(x), atol=1e-6)
    with pytest.raises(RuntimeError, match=r"one weight norm on 'weight', got a second"):
        nn.utils.weight_norm(layer)
    assert nn.utils.remove_weight_norm(layer) is layer
    assert tp.allclose(layer.weight, expected, atol=1e-6)
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    assert not layer._forward_pre_hooks
    with pytest.raises(ValueError, match=r"weight norm on 'weight', got none in Linear"):
        nn.utils.remove_weight_norm(layer)


def test_old_spectral_norm_is_removed() -> None:
    layer = nn.utils.spectral_norm(nn.Linear(3, 2)).eval()
    expected = layer(tp.eye(3))
    with pytest.raises(RuntimeError, match=r"one spectral norm on 'weight', got a second"):
        nn.utils.spectral_norm(layer)
    assert nn.utils.remove_spectral_norm(layer) is layer
    assert tp.allclose(layer(tp.eye(3)), expected, atol=1e-6)
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    with pytest.raises(ValueError, match=r"spectral norm on 'weight', got none in Linear"):
        nn.utils.remove_spectral_norm(layer)
    with pytest.raises(ValueError, match=r"n_power_iterations above 0, got 0"):
        nn.utils.spectral_norm(layer, n_power_iterations=0)
    with pytest.raises(ValueError, match=r"a parameter 'bias', got None"):
        nn.utils.spectral_norm(nn.Linear(3, 2, bias=False), "bias")


# --- parametrize ----------------------------------------------------------------------------------


class Symmetric(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.triu() + x.triu(1).T

    def right_inverse(self, x: Any) -> Any:
        return x.triu()


class Doubled(nn.Module):
    calls = 0

    def forward(self, x: Any) -> Any:
        self.calls += 1
        return x * 2


def test_several_parametrizations() -> None:
    layer = nn.Linear(2, 2)
    weight, values = layer.weight, layer.weight.clone()
    assert not parametrize.is_parametrized(layer)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    parametrize.register_parametrization(layer, "weight", Doubled())
    assert parametrize.is_parametrized(layer)
    assert parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias")
    assert isinstance(layer, nn.Linear)
    assert type(layer).__name__ == "ParametrizedLinear"
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    assert layer.parametrizations.weight.original is weight  # optimizers keep what they have
    upper = values.triu() * 2
    assert layer.weight.equal(upper + upper.triu(1).T)
    layer.weight.sum().backward()
    assert weight.grad.tolist() == [[2.0, 4.0], [0.0, 2.0]]
    with pytest.raises(RuntimeError, match=r"Doubled: expected a right_inverse"):
        layer.weight = tp.eye(2)
    shown = layer.weight.detach().clone()
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear
    assert layer.weight is weight
    assert layer.weight.equal(shown)
    assert parametrize.type_before_parametrizations(layer) is nn.Linear


def test_original_values_may_come_back() -> None:
    layer = nn.Linear(2, 2)
    values = layer.weight.clone()
    parametrize.register_parametrization(layer, "weight", Doubled())
    parametrize.register_parametrization(layer, "bias", Doubled())
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert layer.weight.equal(values)
    assert parametrize.is_parametrized(layer, "bias")
    assert list(dict(layer.named_parameters())) == ["weight", "parametrizations.bias.original"]


def test_buffers_and_assignments() -> None:
    layer = nn.BatchNorm1d(2)
    parametrize.register_parametrization(layer, "running_var", Symmetric_of_vectors())
    assert "parametrizations.running_var.original" in dict(layer.named_buffers())
    layer.running_var = tp.tensor([4.0, 9.0])
    assert layer.parametrizations.running_var.original.tolist() == [2.0, 3.0]
    assert layer.running_var.tolist() == [4.0, 9.0]


class Symmetric_of_vectors(nn.Module):  # by its place in the test above
    def forward(self, x: Any) -> Any:
        return x * x

    def right_inverse(self, x: Any) -> Any:
        return x.sqrt()


def test_cached_computes_once() -> None:
    layer, twice = nn.Linear(2, 2), Doubled()
    parametrize.register_parametrization(layer, "weight", twice)
    before = twice.calls
    with parametrize.cached():
        first = layer.weight
        with parametrize.cached():
            assert layer.weight is first
        assert layer.weight is first
    assert twice.calls == before + 1
    assert layer.weight is not first


def test_copies_are_independent_and_pickling_is_refused() -> None:
    layer = parametrizations.weight_norm(nn.Linear(2, 2))
    other = copy.deepcopy(layer)
    parametrize.remove_parametrizations(other, "weight")
    assert tp.allclose(other.weight, layer.weight)
    assert type(other) is nn.Linear
    assert parametrize.is_parametrized(layer)
    with pytest.raises(RuntimeError, match=r"ParametrizedLinear: expected a module without"):
        pickle.dumps(layer)


def test_transfer() -> None:
    source = nn.Linear(2, 2)
    for name in ("weight", "bias"):
        parametrize.register_parametrization(source, name, Doubled())
    target = nn.Linear(2, 2)
    assert parametrize.transfer_parametrizations_and_params(source, target) is target
    assert target.weight.equal(source.weight)
    assert target.bias.equal(source.bias)
    with pytest.raises(RuntimeError, match=r"a parametrized module, got Linear"):
        parametrize.transfer_parametrizations_and_params(nn.Linear(2, 2), target)


def test_recurrent_layers_use_parametrized_weights() -> None:
    layer, x = nn.GRU(2, 3), tp.randn(4, 2)
    plain = nn.GRU(2, 3)
    plain.load_state_dict(layer.state_dict())
    parametrizations.weight_norm(layer, "weight_hh_l0")
    assert tp.allclose(layer(x)[0], plain(x)[0], atol=1e-6)


def _wrong(forward: Any = None, inverse: Any = None) -> nn.Module:
    body = {"forward": forward or (lambda self, x: x)}
    if inverse is not None:
        body["right_inverse"] = inverse
    return type("Wrong", (nn.Module,), body)()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (_wrong(lambda self, x: x.double()), r"dtype tensorplug.float32, .*tensorplug.float64"),
        (_wrong(lambda self, x: x[0]), r"parametrization: .* of shape .*\[2, 2\]\), .*\[2\]\)"),
        (_wrong(lambda self, x: 1), r"expected a tensor as result, got int"),
        (_wrong(inverse=lambda self, x: x[0]), r"right_inverse: expected a tensor of shape"),
        (_wrong(inverse=lambda self, x: 1), r"tensor or a sequence of tensors, got int"),
    ],
)  # fmt: skip
def test_results_that_do_not_fit_are_refused(module: nn.Module, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        parametrize.register_parametrization(nn.Linear(2, 2), "weight", module)


def test_wrong_use_is_refused() -> None:
    layer = nn.Linear(2, 2)
    cases: list[tuple[Any, type[Exception], str]] = [
        (lambda: parametrize.register_parametrization(layer, "values", Doubled()), ValueError,
         r"tensor of Linear, got 'values'"),
        (lambda: parametrize.remove_parametrizations(layer, "weight"), ValueError,
         r"parametrized tensor of Linear, got 'weight'"),
        (lambda: parametrize.ParametrizationList([], tp.ones(1)), ValueError,
         r"at least one module, got none"),
        (lambda: parametrize.remove_parametrizations(
            parametrizations.weight_norm(nn.Linear(2, 2)), "weight", False), ValueError,
         r"as 'weight' is made of 2 tensors, got False"),
        (lambda: parametrize.register_parametrization(
            parametrizations.weight_norm(nn.Linear(2, 2)), "weight",
            _wrong(inverse=lambda self, x: (x, x))), ValueError,
         r"only the first parametrization may take several, got tuple"),
        (lambda: parametrizations.orthogonal(layer, "values"), ValueError, r"got 'values'"),
        (lambda: parametrizations.orthogonal(layer, "bias"), ValueError,
         r"a matrix, got shape \(2,\)"),
        (lambda: parametrizations.orthogonal(layer, orthogonal_map="qr"), ValueError,
         r"'householder', got 'qr'"),
        (lambda: parametrizations.orthogonal(
            nn.Linear(2, 2, dtype=tp.complex64), orthogonal_map="householder"), ValueError,
         r"a real tensor with the householder map, got tensorplug.complex64"),
        (lambda: parametrizations.spectral_norm(layer, dim=2), IndexError,
         r"dim from -2 to 1, got 2"),
        (lambda: parametrizations.spectral_norm(layer, n_power_iterations=0), ValueError,
         r"n_power_iterations above 0, got 0"),
    ]  # fmt: skip
    for call, error, text in cases:
        with pytest.raises(error, match=text):
            call()


class Switching(nn.Module):
    """A right inverse that stops fitting after the registration."""

    result: Any = None

    def forward(self, x: Any) -> Any:
        return x

    def right_inverse(self, x: Any) -> Any:
        return x if self.result is None else self.result


@pytest.mark.parametrize(
    ("result", "error", "text"),
    [
        ([1.0], ValueError, r"right_inverse: expected 2 tensors, got 1"),
        (1.0, TypeError, r"right_inverse: expected tensors, got float"),
        (tp.ones(2, 2, dtype=tp.float64), ValueError, r"float32, got tensorplug.float64"),
    ],
)
def test_assignments_that_do_not_fit_are_refused(
    result: Any, error: type[Exception], text: str
) -> None:
    layer, switch = nn.Linear(2, 2), Switching()
    if type(result) is list:
        parametrizations.weight_norm(layer)
        layer.parametrizations.weight[0].right_inverse = lambda x: (x,)
    else:
        parametrize.register_parametrization(layer, "weight", switch)
        switch.result = result
    with pytest.raises(error, match=text):
        layer.weight = tp.eye(2)
