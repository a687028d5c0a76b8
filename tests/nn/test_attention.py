"""Attention and transformers against PyTorch's: values and every gradient from one state."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
from typing import Any, NamedTuple

import pytest

import tensorplug as tp
from tensorplug import nn
from tensorplug.autograd.registry import ROWS

# PyTorch warns of the paths that it does not take.
pytestmark = [
    pytest.mark.filterwarnings("ignore:enable_nested_tensor is True"),
    pytest.mark.filterwarnings("ignore:Support for mismatched"),
]


class Case(NamedTuple):
    """One layer: its name, its settings, the shapes of its inputs, and what else it is called with.

    A list among the arguments stands for a mask: a shape and "bool" or "float".
    """

    name: str
    kwargs: dict[str, Any]
    inputs: list[tuple[int, ...]]
    call: dict[str, Any] = {}  # noqa: RUF012  # nothing changes it


def _attend(kwargs: dict[str, Any], *inputs: tuple[int, ...], **call: Any) -> Case:
    return Case("MultiheadAttention", {"embed_dim": 4, "num_heads": 2, **kwargs}, [*inputs], call)


Q, K = (3, 2, 4), (5, 2, 4)
ATTENTION = [
    _attend({}, Q),
    _attend({}, Q, K),
    _attend({}, Q, K, K),
    _attend({"bias": False}, Q, K, need_weights=False),
    _attend({"batch_first": True}, (2, 3, 4), (2, 5, 4)),
    _attend({"batch_first": True}, (2, 3, 4), need_weights=False),
    _attend({}, (3, 4)),
    _attend({}, (3, 4), (5, 4), key_padding_mask=[(5,), "bool"], need_weights=False),
    _attend({"kdim": 3, "vdim": 6}, Q, (5, 2, 3), (5, 2, 6), average_attn_weights=False),
    _attend({"add_bias_kv": True, "add_zero_attn": True}, Q, K, attn_mask=[(3, 5), "bool"]),
    _attend({"add_bias_kv": True}, Q, K, key_padding_mask=[(2, 5), "float"], need_weights=False),
    _attend({"add_zero_attn": True}, Q, K, attn_mask=[(4, 3, 5), "float"]),
    _attend({}, Q, K, attn_mask=[(3, 5), "float"], key_padding_mask=[(2, 5), "bool"]),
    _attend({}, Q, K, attn_mask=[(4, 3, 5), "bool"], key_padding_mask=[(2, 5), "bool"],
            need_weights=False),
    _attend({}, Q, attn_mask="causal", is_causal=True, need_weights=False),
    _attend({}, Q, attn_mask="causal", is_causal=True),
    _attend({}, Q, attn_mask="causal", is_causal=True, key_padding_mask=[(2, 3), "bool"]),
]  # fmt: skip

SMALL = {"d_model": 4, "nhead": 2, "dim_feedforward": 6, "dropout": 0.0}
ENCODER_LAYERS = [
    Case("TransformerEncoderLayer", {**SMALL, **kwargs}, [shape], call)
    for kwargs, shape, call in (
        ({}, Q, {}),
        ({"norm_first": True, "activation": "gelu"}, Q, {"src_mask": "causal", "is_causal": True}),
        (
            {"batch_first": True, "bias": False},
            (2, 3, 4),
            {"src_key_padding_mask": [(2, 3), "bool"]},
        ),
        ({"layer_norm_eps": 0.1}, (3, 4), {"src_mask": [(3, 3), "float"]}),
    )
]  # fmt: skip
DECODER_LAYERS = [
    Case("TransformerDecoderLayer", {**SMALL, **kwargs}, [Q, K], call)
    for kwargs, call in (
        ({}, {}),
        ({"norm_first": True}, {"tgt_mask": "causal", "tgt_is_causal": True,
                                "memory_mask": [(3, 5), "bool"]}),
        ({"activation": "gelu", "bias": False}, {"tgt_key_padding_mask": [(2, 3), "bool"],
                                                 "memory_key_padding_mask": [(2, 5), "bool"]}),
    )
]  # fmt: skip
_DEPTH = {"num_encoder_layers": 2, "num_decoder_layers": 1}
MODELS = [
    Case("Transformer", {**SMALL, **_DEPTH}, [K, Q], {"tgt_mask": "causal"}),
    Case("Transformer", {**SMALL, **_DEPTH, "norm_first": True, "activation": "gelu",
                         "batch_first": True}, [(2, 5, 4), (2, 3, 4)],
         {"src_key_padding_mask": [(2, 5), "bool"], "memory_key_padding_mask": [(2, 5), "bool"],
          "src_mask": [(5, 5), "bool"]}),
]  # fmt: skip


def _title(case: Case) -> str:
    parts = [f"{key}={value}" for key, value in {**case.kwargs, **case.call}.items()]
    return f"{case.name}({','.join(parts)})-{'-'.join(map(str, case.inputs))}"


def _ours(x: Any, device: str) -> Any:
    return tp.tensor(x.detach().numpy(), device=device).requires_grad_(x.requires_grad)


def _mask(torch: Any, value: Any, length: int) -> Any:
    if value == "causal":
        return torch.nn.Transformer.generate_square_subsequent_mask(length, dtype=torch.float64)
    if not isinstance(value, list):
        return value
    shape, kind = value
    if kind == "float":
        return torch.randn(shape, dtype=torch.float64)
    hidden = torch.rand(shape) < 0.4
    hidden[..., 0] = False  # something is left to see
    return hidden


def _assert_equal(ours: Any, theirs: Any) -> None:
    assert tuple(ours.shape) == tuple(theirs.shape)
    got = ours.detach().reshape(-1).tolist()
    assert got == pytest.approx(theirs.detach().reshape(-1).tolist(), rel=1e-8, abs=1e-9)


def _pair(torch: Any, case: Case, device: str) -> tuple[Any, Any]:
    theirs = getattr(torch.nn, case.name)(**case.kwargs, dtype=torch.float64)
    ours = getattr(nn, case.name)(**case.kwargs, dtype=tp.float64)
    assert repr(ours) == repr(theirs)
    for weight in theirs.parameters():  # biases too: they start as 0, which hides mistakes
        torch.nn.init.normal_(weight)
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict({key: tp.tensor(value.numpy()) for key, value in state.items()})
    return theirs, ours.to(device)


def _check(case: Case, device: str) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs, ours = _pair(torch, case, device)
    inputs = [torch.randn(s, dtype=torch.float64).requires_grad_() for s in case.inputs]
    copies = [_ours(x, device) for x in inputs]
    masks = {key: _mask(torch, value, 3) for key, value in case.call.items()}
    own = {k: _ours(m, device) if isinstance(m, torch.Tensor) else m for k, m in masks.items()}
    count = 3 if case.name == "MultiheadAttention" else len(inputs)

    def run(layer: Any, inputs: list[Any], call: dict[str, Any]) -> list[Any]:
        given = [*inputs, *[inputs[-1]] * (count - len(inputs))]  # the last one may serve again
        found = layer(*given, **call)
        found = [x for x in found if x is not None] if isinstance(found, tuple) else [found]
        sum((out.sin() * out).sum() for out in found).backward()
        return found

    for got, expected in zip(run(ours, copies, own), run(theirs, inputs, masks), strict=True):
        _assert_equal(got, expected)
    for got, expected in zip(copies, inputs, strict=True):
        _assert_equal(got.grad, expected.grad)
    for (name, got), expected in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert got.grad is not None, name
        _assert_equal(got.grad, expected.grad)


@pytest.mark.parametrize("case", ATTENTION + ENCODER_LAYERS + DECODER_LAYERS + MODELS, ids=_title)
def test_layer_equals_torch(case: Case) -> None:
    _check(case, "cpu")


@pytest.mark.parametrize("case", [ATTENTION[9], ENCODER_LAYERS[1], DECODER_LAYERS[2]], ids=_title)
def test_layer_equals_torch_on_another_device(case: Case) -> None:
    _check(case, "strict:0")


def test_stacks_take_a_last_norm_and_own_layers() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    for name in ("Encoder", "Decoder"):
        stacks: list[Any] = []
        for lib in (torch, tp):
            layer = getattr(lib.nn, f"Transformer{name}Layer")(4, 2, 6, 0.0)
            stacks.append(getattr(lib.nn, f"Transformer{name}")(layer, 2, lib.nn.LayerNorm(4)))
        theirs, ours = stacks
        assert repr(ours) == repr(theirs)
        state = {key: tp.tensor(value.numpy()) for key, value in theirs.state_dict().items()}
        ours.load_state_dict(state)
        x = torch.randn(3, 2, 4)
        inputs = (x,) if name == "Encoder" else (x, torch.randn(5, 2, 4))
        found = ours(*(tp.tensor(x.numpy()) for x in inputs))
        assert found.reshape(-1).tolist() == pytest.approx(
            theirs(*inputs).reshape(-1).tolist(), abs=1e-5
        )
        one, other = ours.layers
        assert one.linear1.weight is not other.linear1.weight


def test_custom_parts_and_activations() -> None:
    torch = pytest.importorskip("torch")

    class Twice(nn.Module):
        def forward(self, x: Any, *rest: Any, **kwargs: Any) -> Any:
            return x * 2

    model = nn.Transformer(4, 2, custom_encoder=Twice(), custom_decoder=Twice())
    assert model(tp.ones(3, 2, 4), tp.ones(5, 2, 4)).tolist() == tp.full((5, 2, 4), 2.0).tolist()
    layers = [lib.nn.TransformerEncoderLayer(4, 2, 6, activation=lib.nn.ReLU())
              for lib in (tp, torch)]  # fmt: skip
    assert repr(layers[0]) == repr(layers[1])
    assert list(layers[0].state_dict()) == list(layers[1].state_dict())


def test_dropout_acts_in_training_only() -> None:
    tp.manual_seed(0)
    x = tp.randn(3, 2, 8)
    for layer in (nn.TransformerEncoderLayer(8, 2, 16, 0.5), nn.TransformerEncoderLayer(8, 2, 16)):
        assert not layer(x).equal(layer(x))
        layer.eval()
        assert layer(x).equal(layer(x))
    attention = nn.MultiheadAttention(8, 2, dropout=0.5)
    for need in (True, False):
        attention.train()
        assert not attention(x, x, x, need_weights=need)[0].equal(attention(x, x, x)[0])
        attention.eval()
        assert tp.allclose(attention(x, x, x, need_weights=need)[0], attention(x, x, x)[0])


def test_static_keys_and_values() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    x, static = torch.randn(3, 2, 4), torch.randn(4, 5, 2)
    weights = torch.randn(12, 4), torch.randn(12), torch.randn(4, 4), torch.randn(4)
    found = []
    for lib in (torch, tp):

        def own(value: Any, lib: Any = lib) -> Any:
            return value if lib is torch else tp.tensor(value.numpy())

        out, shown = lib.nn.functional.multi_head_attention_forward(
            own(x), own(x), own(x), 4, 2, own(weights[0]), own(weights[1]), None, None, False, 0.0,
            own(weights[2]), own(weights[3]), static_k=own(static), static_v=own(static),
        )  # fmt: skip
        found.append(out.reshape(-1).tolist() + shown.reshape(-1).tolist())
    assert found[1] == pytest.approx(found[0], abs=1e-5)


SIGNATURES = ["MultiheadAttention", "TransformerEncoderLayer", "TransformerDecoderLayer",
              "TransformerEncoder", "TransformerDecoder", "Transformer"]  # fmt: skip


def _parameters(function: Any) -> list[tuple[str, Any]]:
    found = inspect.signature(function).parameters.values()
    return [(p.name, getattr(p.default, "__name__", p.default)) for p in found]


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature_is_that_of_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, name), getattr(torch.nn, name)
    assert _parameters(ours) == _parameters(theirs)
    assert _parameters(ours.forward) == _parameters(theirs.forward)


def test_functional_signature_is_that_of_torch() -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = (lib.nn.functional.multi_head_attention_forward for lib in (tp, torch))
    assert _parameters(ours) == _parameters(theirs)


def test_initial_values() -> None:
    tp.manual_seed(0)
    layer = nn.MultiheadAttention(64, 4, add_bias_kv=True)
    bound = math.sqrt(6 / (64 + 3 * 64))
    assert bound * 0.99 < layer.in_proj_weight.abs().max().item() <= bound
    assert layer.in_proj_bias.abs().max().item() == layer.out_proj.bias.abs().max().item() == 0
    assert layer.out_proj.weight.abs().max().item() <= 1 / 8
    assert layer.bias_k.std().item() == pytest.approx(math.sqrt(2 / 128), rel=0.3)
    model = nn.Transformer(64, 2, 1, 1, 64)
    assert model.encoder.layers[0].linear1.weight.abs().max().item() > 1 / 8


def test_rows_that_see_nothing_give_zeros() -> None:
    attend = nn.functional.scaled_dot_product_attention
    for mask in (tp.tensor([[True], [False]]), tp.tensor([[0.0], [-math.inf]])):
        q = tp.ones(1, 2, 3, requires_grad=True)
        out = attend(q, q, q, attn_mask=mask.expand(2, 2))
        assert out.tolist() == [[[1.0] * 3, [0.0] * 3]]
        out.sum().backward()
        assert q.grad.isfinite().all().item()


@pytest.mark.parametrize("device", ["cpu", "strict:0"])
@pytest.mark.parametrize("masked", ["none", "bool", "float", "wider"])
def test_derivatives_of_second_order(masked: str, device: str) -> None:
    generator = tp.Generator().manual_seed(0)

    def draw(*shape: int) -> Any:
        values = tp.randn(*shape, dtype=tp.float64, generator=generator)
        return values.to(device).requires_grad_()

    inputs = [draw(2, 2, 3), draw(2, 3), draw(2, 2, 2)]  # keys broadcast over the first dimension
    shape = (3, 1, 2, 2) if masked == "wider" else (2, 2)
    mask = None if masked == "none" else draw(*shape)
    if masked == "bool":
        mask = mask > 0
    drop = tp.tensor([[2.0, 0.0], [2.0, 2.0]], dtype=tp.float64, device=device)
    extra = [mask] if masked in ("float", "wider") else []

    def run(q: Any, k: Any, v: Any, *rest: Any) -> Any:
        return ROWS["attention"].call(q, k, v, rest[0] if rest else mask, drop, 0.7)[0]

    assert tp.autograd.gradcheck(run, [*inputs, *extra])
    if device == "cpu":
        assert tp.autograd.gradgradcheck(run, [*inputs, *extra])


def test_wrong_arguments_are_refused() -> None:
    layer, x = nn.MultiheadAttention(4, 2), tp.zeros(3, 2, 4)
    cases: list[tuple[Any, type[Exception], str]] = [
        (lambda: nn.MultiheadAttention(0, 2), ValueError, r"above 0, got 0 and 2"),
        (lambda: nn.MultiheadAttention(5, 2), AssertionError,
         r"expected embed_dim divisible by num_heads=2, got 5"),
        (lambda: layer(x[None], x, x), AssertionError, r"2 or 3 dimensions, got shape \(1, 3"),
        (lambda: layer(x[..., :3], x, x), AssertionError, r"embedding dimension of 4, got 3"),
        (lambda: layer(x, x[0], x), AssertionError,
         r"key and value of 3 dimensions, got \(\(2, 4\), \(3, 2, 4\)\)"),
        (lambda: layer(x, x[:2], x), AssertionError,
         r"key and value of one shape, got \(\(2, 2, 4\), \(3, 2, 4\)\)"),
        (lambda: nn.MultiheadAttention(4, 2, vdim=3)(x, x, x[:2, :, :3]), AssertionError,
         r"one length and batch, got \(\(3, 2, 4\), \(2, 2, 3\)\)"),
        (lambda: layer(x, x, x, attn_mask=tp.zeros(3, 2)), RuntimeError,
         r"attn_mask of shape \(3, 3\), got \(3, 2\)"),
        (lambda: layer(x, x, x, attn_mask=tp.zeros(3)), AssertionError,
         r"attn_mask of 2 or 3 dimensions, got shape \(3,\)"),
        (lambda: layer(x, x, x, attn_mask=tp.zeros(3, 3, dtype=tp.int64)), AssertionError,
         r"attn_mask of bools or floats, got tensorplug.int64"),
        (lambda: layer(x, x, x, tp.zeros(3)), AssertionError,
         r"key_padding_mask of 2 dimensions, got shape \(3,\)"),
        (lambda: layer(x, x, x, tp.zeros(3, 3)), AssertionError,
         r"key_padding_mask of shape \(2, 3\), got \(3, 3\)"),
        (lambda: layer(x, x, x, is_causal=True), RuntimeError, r"attn_mask .* got None;"),
    ]  # fmt: skip
    for call, error, text in cases:
        with pytest.raises(error, match=text):
            call()


def test_wrong_arguments_of_functions_and_transformers_are_refused() -> None:
    layer, x = nn.MultiheadAttention(4, 2), tp.zeros(3, 2, 4)
    cases: list[tuple[Any, type[Exception], str]] = [
        (lambda: nn.functional.multi_head_attention_forward(
            x, x, x, 4, 3, layer.in_proj_weight, None, None, None, False, 0.0,
            layer.out_proj.weight, None), AssertionError, r"divisible by num_heads=3, got 4"),
        (lambda: nn.functional.multi_head_attention_forward(
            x, x, x, 4, 2, layer.in_proj_weight, None, None, None, False, 0.0,
            layer.out_proj.weight, None, static_k=x), AssertionError,
         r"static_k of shape \(4, \*, 2\), got \(3, 2, 4\)"),
        (lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"), RuntimeError,
         r"'relu', 'gelu' or a function, got 'tanh'"),
        (lambda: nn.Transformer(4, 2, 1, 1)(x, x[:, :1]), RuntimeError,
         r"one batch size, got 2 and 1"),
        (lambda: nn.Transformer(4, 2, 1, 1)(x, x[..., :3]), RuntimeError,
         r"4 features in src and tgt, got 4 and 3"),
    ]  # fmt: skip
    for call, error, text in cases:
        with pytest.raises(error, match=text):
            call()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_transformers_are_copied_and_pickled(copied: Any) -> None:
    model, x = nn.Transformer(4, 2, 1, 1, 6).eval(), tp.randn(3, 2, 4)
    other = copied(model)
    assert repr(other) == repr(model)
    assert other(x, x).equal(model(x, x))
