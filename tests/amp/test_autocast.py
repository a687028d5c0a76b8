"""Autocast: the types of PyTorch's results, gradients, the cache, and nothing when it is off."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import tensorplug as tp
from tensorplug import nn
from tensorplug.amp import _policy
from tensorplug.autograd.registry import FUNCTIONS, ROWS

F = "lib.nn.functional"

ON_CPU = [
    "a @ b", "lib.matmul(a, b)", "a.mm(b)", "lib.bmm(c, c)", "lib.addmm(a, a, b)", "a.mv(v)",
    "lib.baddbmm(c, c, c)", "lib.addbmm(a, c, c)", "lib.einsum('ij,jk', a, b)", "lib.dot(v, v)",
    "lib.linalg.vecdot(a, b)", "lib.vdot(v, v)", "lib.addmv(v, a, v)",
    "lib.linalg.multi_dot([a, b])", "lib.outer(v, v)", "a @ v", "lib.inner(a, b)",
    f"{F}.linear(a, b)", f"{F}.bilinear(a, a, c)", "lib.tensordot(a, b, 1)",
    f"{F}.linear(a, b, v)", f"{F}.prelu(a, v[:1])",
    f"{F}.conv1d(c, c)", f"{F}.conv2d(i, i)", f"{F}.conv_transpose2d(i, i)",
    f"{F}.scaled_dot_product_attention(c, c, c)", f"{F}.conv3d(i[None], i[None])",
    f"{F}.mse_loss(a, b)", f"{F}.l1_loss(a, b)", f"{F}.smooth_l1_loss(a, b)",
    f"{F}.huber_loss(a, b)", f"{F}.kl_div(a, b)", f"{F}.cross_entropy(a, t)",
    f"{F}.cross_entropy(a, b)", f"{F}.nll_loss(a, t)",
    f"{F}.binary_cross_entropy(a.sigmoid(), b.sigmoid())", f"{F}.poisson_nll_loss(a, b)",
    f"{F}.binary_cross_entropy_with_logits(a, b)", f"{F}.soft_margin_loss(a, b)",
    f"{F}.margin_ranking_loss(v, v, v)", f"{F}.hinge_embedding_loss(a, b)",
    f"{F}.triplet_margin_loss(a, b, a)", f"{F}.cosine_embedding_loss(a, b, v)",
    f"{F}.multi_margin_loss(a, t)", f"{F}.multilabel_margin_loss(a, t[:, None].expand(3, 3))",
    f"{F}.avg_pool3d(i[None], 1)", f"{F}.max_pool3d(i[None], 1)", f"{F}.avg_pool2d(i, 1)",
    f"{F}.adaptive_avg_pool3d(i[None], 1)", f"{F}.grid_sample(i, i[..., :2], align_corners=True)",
    f"{F}.pad(i, (1, 1, 1, 1), mode='reflect')", f"{F}.pad(i, (1, 1), mode='constant')",
    f"{F}.softmax(a, -1)", f"{F}.log_softmax(a, -1)", f"{F}.layer_norm(a, (3,))",
    f"{F}.layer_norm(a, (3,), w, w)", f"{F}.batch_norm(a, m, w)",
    f"{F}.batch_norm(i, n, s, w, m, True)", f"{F}.group_norm(i, 1, w, w)", f"{F}.gelu(a)",
    f"{F}.batch_norm(i, m, w, w, m)", f"{F}.instance_norm(i, weight=w, bias=w)",
    f"{F}.softplus(a)", f"{F}.relu(a)", f"{F}.embedding(t, a)", f"{F}.interpolate(i, (2, 2))",
    "lib.cdist(a, b)", "lib.prod(a)", "a.prod(1)", "lib.trace(a)", "lib.quantile(v, 0.5)",
    "lib.polar(a, b)", "lib.view_as_complex(i[..., :2].contiguous())", "lib.linalg.inv(a)",
    "lib.linalg.cholesky(e)", "lib.linalg.solve(a, b)", "lib.linalg.svdvals(a)", "lib.inverse(a)",
    "lib.linalg.qr(a)[0]", "lib.linalg.eigvalsh(e)", "lib.linalg.det(e)", "lib.fft.fft(v)",
    "lib.fft.rfft2(a)", "lib.fft.irfft(v)", "lib.cat([a, b])", "lib.stack((a, b))",
    "lib.index_copy(a, 0, t, b)", "a + b", "a * 2", "a.exp()", "lib.exp(a)", "a ** 2", "2 ** a",
    "a.sum()", "a.mean()", "a.norm()", "lib.cumsum(a, 0)", "lib.atan2(a, b)", "a.log()",
    "a.double() @ b.double()", "t @ t", f"{F}.mse_loss(a.double(), b.double())",
]  # fmt: skip


def _values(lib: Any, left: str, right: str) -> dict[str, Any]:
    rows = [[2.0, 0.5, 0.25], [0.5, 3.0, 0.5], [0.25, 0.5, 4.0]]
    a = lib.tensor(rows, dtype=getattr(lib, left))
    cube = lib.stack([a, a, a])
    return {
        "lib": lib, "a": a, "e": a, "v": a[0], "c": cube, "i": lib.stack([cube, cube, cube]),
        "b": lib.tensor(rows[::-1], dtype=getattr(lib, right)), "t": lib.tensor([0, 1, 2]),
        "w": lib.ones(3), "m": lib.zeros(3), "n": lib.zeros(3), "s": lib.ones(3),
    }  # fmt: skip


def _name(x: Any) -> str:
    return str(x.dtype).rpartition(".")[2]


@pytest.mark.filterwarnings("ignore:.*(batchmean|different to the input size):UserWarning")
@pytest.mark.parametrize("types", [
    ("float32", "float32"), ("bfloat16", "bfloat16"), ("bfloat16", "float32"),
])  # fmt: skip
def test_results_have_torchs_types_and_values(types: tuple[str, str]) -> None:
    torch = pytest.importorskip("torch")
    wrong, compared = [], 0
    for code in ON_CPU:
        with torch.autocast("cpu"):
            try:
                expected = eval(code, _values(torch, *types))
            except (RuntimeError, NotImplementedError, ValueError):
                continue  # not for these types
        with tp.autocast("cpu"):
            try:
                found = eval(code, _values(tp, *types))
            except Exception as error:
                wrong.append(f"{code}: {error}")
                continue
        compared += 1
        if _name(found) != _name(expected):
            wrong.append(f"{code}: {_name(found)} instead of {_name(expected)}")
            continue
        kind = tp.complex128 if found.is_complex() else tp.float64
        reference = tp.tensor(expected.to(getattr(torch, kind.name)).tolist(), dtype=kind)
        if not tp.allclose(found.to(kind), reference, rtol=0.02, atol=0.02):
            wrong.append(f"{code}: other values")
    assert not wrong, "\n".join(wrong)
    assert compared > 80


# By the type of both arguments: what they give under autocast to float16.
ON_ACCELERATORS = {
    "float16": ["a.mv(v)", "a @ b", f"{F}.linear(a, b)", "lib.linalg.multi_dot([a, b])"],
    "float32": ["a ** 2", "2 ** a", "a.exp()", "a.sum()", f"{F}.softmax(a, -1)",
                f"{F}.mse_loss(a, b)", f"{F}.layer_norm(a, (3,))"],
    "widest": ["lib.dot(v, b[0])", "lib.cat([a, b])"],
}  # fmt: skip


@pytest.mark.parametrize("types", [("float16", "float16"), ("float16", "float32")])
def test_other_devices_follow_the_list_of_accelerators(types: tuple[str, str]) -> None:
    names = ("a", "b", "v")
    values = {key: _values(tp, *types)[key].to("xla:0") for key in names}
    with tp.autocast("xla", tp.float16), tp.autocast("cpu"):
        for policy, codes in ON_ACCELERATORS.items():
            for code in codes:
                found = eval(code, {"lib": tp, **values})
                assert _name(found) == (types[1] if policy == "widest" else policy), code
        with pytest.raises(RuntimeError, match="binary_cross_entropy_with_logits under autocast"):
            nn.functional.binary_cross_entropy(values["a"], values["b"])


def test_every_name_on_the_lists_is_a_function_or_known_to_be_missing() -> None:
    missing = [name for name in _policy.NAMES if name not in FUNCTIONS and name not in ROWS]
    assert missing == ["geqrf", "nn.functional.upsample", "ormqr", "stft"]


LAYERS: dict[str, Callable[[Any], Any]] = {
    "LSTM": lambda nn: [nn.Linear(4, 4), nn.LSTM(4, 5, 2, bidirectional=True)],
    "RNN": lambda nn: [nn.RNN(4, 5)],
    "norms": lambda nn: [nn.Linear(4, 8), nn.LayerNorm(8), nn.GELU(), nn.RMSNorm(8), nn.PReLU()],
    "transformer": lambda nn: [nn.Linear(4, 4), nn.TransformerEncoderLayer(4, 2, 8, 0.0)],
    "convolutions": lambda nn: [
        nn.Unflatten(2, (1, 2, 2)), nn.Flatten(0, 1), nn.Conv2d(1, 4, 2, padding=1),
        nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.GroupNorm(2, 4), nn.Flatten(),
        nn.Linear(4, 2), nn.BatchNorm1d(2), nn.Softmax(-1),
    ],
    "pictures": lambda nn: [
        nn.Unflatten(2, (2, 2)), nn.Conv2d(2, 4, 1), nn.InstanceNorm2d(4, affine=True),
        nn.ReflectionPad2d(1), nn.ConvTranspose2d(4, 4, 2), nn.PixelShuffle(2),
        nn.Upsample(scale_factor=2), nn.AvgPool2d(2),
    ],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Mismatch dtype:UserWarning")  # torch's own rms_norm
@pytest.mark.parametrize("name", LAYERS)
def test_layers_give_torchs_types(name: str) -> None:
    torch = pytest.importorskip("torch")
    results = []
    for lib in (tp, torch):
        lib.manual_seed(0)
        model = lib.nn.Sequential(*LAYERS[name](lib.nn))
        with lib.autocast("cpu"):
            out = model(lib.randn(3, 2, 4))
            out = out[0] if isinstance(out, tuple) else out
        out.float().sum().backward()
        assert {param.grad.dtype for param in model.parameters()} == {lib.float32}
        results.append(_name(out))
    assert results[0] == results[1]


def _loss(model: Any, lib: Any, x: Any) -> Any:
    return lib.nn.functional.mse_loss(model(x), lib.ones(4, 1))


def test_training_equals_torch() -> None:
    torch = pytest.importorskip("torch")
    results = []
    for lib in (tp, torch):
        model = lib.nn.Sequential(lib.nn.Linear(3, 8), lib.nn.Tanh(), lib.nn.Linear(8, 1))
        with lib.no_grad():
            for number, param in enumerate(model.parameters()):
                values = lib.arange(param.numel(), dtype=lib.float32)
                param.copy_(((values + number) * 0.7).sin().reshape(param.shape))
        optimizer = lib.optim.SGD(model.parameters(), lr=0.1)
        x = lib.arange(12, dtype=lib.float32).reshape(4, 3) / 12
        losses = []
        for _ in range(5):
            optimizer.zero_grad()
            with lib.autocast("cpu", dtype=lib.bfloat16):
                loss = _loss(model, lib, x)
            loss.backward()
            assert model[0].weight.grad.dtype is lib.float32
            optimizer.step()
            losses.append(loss.item())
        results.append(losses)
    assert results[0] == pytest.approx(results[1], rel=0.02)


def test_casts_of_parameters_are_kept_and_made_again_after_a_change() -> None:
    layer, x = nn.Linear(2, 2), tp.ones(1, 2)
    with tp.autocast("cpu"):
        one, two = layer(x), layer(x)
        state = tp.amp.autocast_mode._STATE.get()
        kept = state.cache[id(layer.weight)][2]
        assert one.tolist() == two.tolist()
        (one + two).float().sum().backward()
        assert layer.weight.grad.tolist() == [[2.0, 2.0]] * 2
        layer(x).float().sum().backward()  # the cast serves a second backward
        with tp.no_grad():
            layer.weight.zero_()
            layer.bias.zero_()
        assert layer(x).tolist() == [[0.0, 0.0]]
        assert state.cache[id(layer.weight)][2] is not kept
        with tp.autocast("cpu"):
            assert tp.amp.autocast_mode._STATE.get().cache is state.cache
        tp.clear_autocast_cache()
        assert not state.cache
        with tp.autocast("cpu", cache_enabled=False):
            assert not tp.is_autocast_cache_enabled()
            layer(x)
    assert not state.cache
    with tp.autocast("cpu"):
        with tp.no_grad():
            layer(x)
        layer(x).float().sum().backward()  # no cast without history was kept
    tp.set_autocast_cache_enabled(False)
    with tp.autocast("cpu"):
        layer(x)
        assert tp.amp.autocast_mode._STATE.get().cache is None
    tp.clear_autocast_cache()
    tp.set_autocast_cache_enabled(True)


def test_blocks_nest_decorate_and_are_told_apart() -> None:
    x = tp.ones(2, 2)
    assert not tp.is_autocast_enabled("cpu")
    with tp.autocast("cpu", dtype=tp.float16):
        assert tp.is_autocast_enabled("cpu")
        assert not tp.is_autocast_enabled()
        assert tp.get_autocast_dtype("cpu") is tp.float16
        assert (x @ x).dtype is tp.float16
        with tp.autocast("cpu", enabled=False):
            assert (x @ x).dtype is tp.float32
            with tp.autocast("cpu"):
                assert (x @ x).dtype is tp.float16
        with tp.autocast("cpu", tp.bfloat16):
            assert (x @ x).dtype is tp.bfloat16
        out = tp.empty(2, 2)
        assert tp.matmul(x, x, out=out) is out

    @tp.autocast("cpu")
    def product() -> Any:
        return x @ x

    assert product().dtype is tp.bfloat16
    tp.set_autocast_dtype("cpu", tp.float16)
    assert product().dtype is tp.bfloat16  # decided when it was decorated
    assert tp.autocast("cpu").fast_dtype is tp.float16
    tp.set_autocast_dtype("cpu", tp.bfloat16)
    assert (x @ x).dtype is tp.float32
    assert tp.get_autocast_dtype("cuda") is tp.float16


def test_threads_do_not_see_each_other() -> None:
    x, found = tp.ones(2, 2), []
    with tp.autocast("cpu"):
        thread = threading.Thread(target=lambda: found.append((x @ x).dtype))
        thread.start()
        thread.join()
        assert (x @ x).dtype is tp.bfloat16
    assert found == [tp.float32]


def _frames(call: Callable[[], Any]) -> list[str]:
    names: list[str] = []
    sys.setprofile(lambda frame, event, arg: names.append(frame.f_code.co_name))
    try:
        call()
    finally:
        sys.setprofile(None)
    return names


def test_nothing_is_left_when_the_last_block_ends() -> None:
    layer, x = nn.Linear(2, 2), tp.ones(2, 2)
    linear = nn.functional.linear
    calls: list[Callable[[], Any]] = [
        lambda: x @ x, lambda: x.exp(), lambda: layer(x), lambda: linear(x, layer.weight),
        lambda: nn.functional.mse_loss(x, x),
    ]  # fmt: skip
    codes = [function.__code__ for function in (linear, tp.exp, tp.Tensor.__matmul__)]
    for call in calls:
        call()  # resolves the kernels
    before = [_frames(call) for call in calls]
    with suppress(ZeroDivisionError), tp.autocast("cpu"), tp.autocast("cpu"):
        assert linear.__code__ is not codes[0]
        assert all(_frames(call) != names for call, names in zip(calls, before, strict=True))
        raise ZeroDivisionError
    assert [f.__code__ for f in (linear, tp.exp, tp.Tensor.__matmul__)] == codes
    assert [_frames(call) for call in calls] == before


class _Cube(tp.autograd.Function):
    seen: list[Any]

    @staticmethod
    @tp.amp.custom_fwd(device_type="cpu")
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        _Cube.seen = [(x @ x).dtype]
        return x * x * x

    @staticmethod
    @tp.amp.custom_bwd(device_type="cpu")
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        _Cube.seen.append((x @ x).dtype)
        return g * 3 * x * x


class _InFloat32(_Cube):
    @staticmethod
    @tp.amp.custom_fwd(device_type="cpu", cast_inputs=tp.float32)
    def forward(ctx: Any, x: Any) -> Any:
        return _Cube.forward(ctx, x)


def test_custom_functions() -> None:
    x = tp.ones(2, 2, requires_grad=True)
    with tp.autocast("cpu"):
        y = _Cube.apply(x)
    y.sum().backward()
    assert _Cube.seen == [tp.bfloat16, tp.bfloat16]
    half = x.detach().bfloat16().requires_grad_()
    with tp.autocast("cpu"):
        y = _InFloat32.apply(half)
    assert y.dtype is tp.float32
    assert _Cube.seen == [tp.float32]
    _Cube.apply(x).sum().backward()
    assert _Cube.seen == [tp.float32, tp.float32]
    assert _InFloat32.apply(half).dtype is tp.bfloat16


def test_warnings_and_errors() -> None:
    with pytest.warns(UserWarning, match="expected a CUDA device, got none; autocast is off"):
        block = tp.autocast("cuda")
    with block:
        assert not tp.is_autocast_enabled()
    with pytest.warns(UserWarning, match="expected dtype float16 or bfloat16, got .*float64"):
        tp.autocast("cpu", tp.float64)
    with pytest.warns(UserWarning, match="expected a dtype that strict computes with, got .*bfl"):
        tp.autocast("strict")
    with pytest.raises(RuntimeError, match="expected an installed device_type, got 'nowhere'"):
        tp.autocast("nowhere")
    assert not tp.amp.is_autocast_available("nowhere")
    for make in (
        lambda: tp.autocast(tp.device("cpu")),
        lambda: tp.amp.custom_fwd(device_type=3),
        lambda: tp.amp.custom_bwd(device_type=3),
    ):
        with pytest.raises(ValueError, match=r"expected device_type to be a text, got (int|Dev)"):
            make()
    with pytest.raises(TypeError, match="expected a function to decorate, got int"):
        tp.autocast("cpu")(3)


def test_older_names() -> None:
    from tensorplug.cuda.amp import autocast, custom_bwd, custom_fwd

    with autocast(enabled=False):
        assert not tp.is_autocast_enabled("cuda")
    assert custom_fwd(custom_bwd(len)).__name__ == "len"
    with pytest.warns(UserWarning, match="scaling is off"):
        assert not tp.cuda.amp.GradScaler().is_enabled()
