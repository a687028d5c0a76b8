"""Files: every type and layout comes back with its values, what shared memory shares it again, and
damaged files are refused.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.checks import few
from tensorplug.conformance.reference import same
from tensorplug.conformance.samples import dtypes_of, other_devices, supports

FORMATS = ("safetensors", "torch", "pickle")


def through(obj: Any, form: str, where: Any = None) -> Any:
    """An object written and read again; PyTorch's files know no devices of other plugins."""
    if form == "pickle":
        return pickle.loads(pickle.dumps(obj))
    file = io.BytesIO()
    tp.save(obj, file, format=form)
    file.seek(0)
    return tp.load(file, map_location=where)


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "x": lambda x: x,
    "x.T": lambda x: x.T,
    "x[1:, ::2]": lambda x: x[1:, ::2],
    "x[::-1]": lambda x: x[::-1],
    "x[-1]": lambda x: x[-1],
    "x[1, 2]": lambda x: x[1, 2, ...],
    "x[4:]": lambda x: x[4:],
    "x[:1].expand": lambda x: x[:1].expand(3, 6) if isinstance(x, tp.Tensor)
    else np.broadcast_to(x[:1], (3, 6)),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("how", LAYOUTS)
def test_values_of_every_type_and_layout_come_back(device: str, how: str, form: str) -> None:
    for dtype in few(device, dtypes_of(device), False, one_of=3):
        values = np.arange(24) % (2 if dtype is tp.bool else 24)
        a = values.reshape(4, 6).astype(dtype.numpy)
        x = tp.tensor(a, device=device)
        where = device if form == "torch" else None
        got, want = through(LAYOUTS[how](x), form, where), LAYOUTS[how](a)
        text = f"{how} of {dtype} on {device} in a file ({form})"
        assert (got.dtype, str(got.device)) == (dtype, device), f"{text}: {got.dtype} {got.device}"
        assert same(got, want), f"{text}: expected {want.tolist()}, got {got.tolist()}"
        assert same(x, a), f"{text}: the tensor itself changed"
        if got.numel() and "expand" not in how:
            got.fill_(1)
            assert same(x, a), f"{text}: shares memory with the tensor that was saved"


@pytest.mark.parametrize("form", FORMATS)
def test_special_values_come_back_to_the_bit(device: str, form: str) -> None:
    for dtype in dtypes_of(device):
        if dtype.is_floating_point:
            info = tp.finfo(dtype)
            numbers = [0.0, -0.0, np.inf, -np.inf, np.nan, info.max, info.tiny, info.eps, 1 / 3]
            a = np.array(numbers, np.float64).astype(dtype.numpy)
            got = through(tp.tensor(a, device=device), form).cpu().numpy()
            assert got.tobytes() == a.tobytes(), f"{dtype} on {device} ({form}): {a} became {got}"


@pytest.mark.parametrize("form", ["safetensors", "torch"])
def test_what_shared_memory_shares_it_again(device: str, form: str) -> None:
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    x = tp.tensor(a, device=device)
    saved = {"all": x, "row": x[1], "turned": x.T, "part": x[1:, 1::2], "other": x.clone()}
    got = through(saved, form)
    for name, y in saved.items():
        assert same(got[name], y.cpu().numpy()), f"{name} on {device} ({form}): got {got[name]}"
    got["all"].fill_(7)
    shared = {name for name in got if got[name].flatten()[0].item() == 7}
    assert shared == {"all", "row", "turned", "part"}, f"{device} ({form}): {shared} are shared"
    got["turned"][0, 0] = -1
    assert got["all"][0, 0].item() == -1, f"{device} ({form}): a write to a view is not seen"
    assert same(x, a), f"{device} ({form}): the tensors that were saved changed"


@pytest.mark.parametrize("form", FORMATS)
def test_what_else_belongs_to_a_tensor_comes_back(device: str, form: str) -> None:
    leaf = tp.ones((2, 3), device=device, requires_grad=True)
    got = through({"w": leaf, "n": [1, 2.5, "text"], "p": tp.nn.Parameter(leaf.detach())}, form)
    assert got["w"].requires_grad, f"{device} ({form}): requires_grad is lost"
    assert isinstance(got["p"], tp.nn.Parameter), f"{device} ({form}): got a {type(got['p'])}"
    assert list(got["n"]) == [1, 2.5, "text"]
    (got["w"] * 3).sum().backward()
    assert got["w"].grad.tolist() == [[3.0] * 3] * 2
    assert leaf.grad is None, f"{device} ({form}): a gradient went to the tensor that was saved"


@pytest.mark.parametrize("form", ["safetensors", "torch"])
def test_files_are_read_onto_other_devices(device: str, form: str) -> None:
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    x = tp.tensor(a, device=device)
    for other in ["cpu", *other_devices(device)]:
        for where in (other, {device: other}, tp.device(other)):
            if form == "torch" and isinstance(where, dict):
                continue
            got = through([x.T, x[1]], form, where)
            assert [str(y.device) for y in got] == [other] * 2, f"{device} to {other}: {got}"
            assert same(got[0], a.T), f"{device} to {other} ({form}): got {got[0]}"
            assert same(got[1], a[1]), f"{device} to {other} ({form}): got {got[1]}"
        back = through(x.to(other), form, device)
        assert str(back.device) == device, f"{other} to {device}: got {back.device}"
        assert same(back, a), f"{other} to {device} ({form}): got {back}"


def test_a_model_and_its_optimizer_go_on_where_they_were(device: str) -> None:
    def made() -> tuple[Any, Any]:
        model = tp.nn.Linear(3, 2).to(device)
        return model, tp.optim.Adam(model.parameters(), lr=0.1)

    def step(model: Any, optimizer: Any) -> float:
        optimizer.zero_grad()
        loss = (model(tp.ones(4, 3, device=device)) ** 2).sum()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    model, optimizer = made()
    for _ in range(3):
        step(model, optimizer)
    saved = through({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, "torch")
    again, other = made()
    again.load_state_dict(saved["model"])
    other.load_state_dict(saved["optimizer"])
    one, two = ([step(*pair) for _ in range(3)] for pair in ((model, optimizer), (again, other)))
    assert one == two, f"losses on {device} after loading: expected {one}, got {two}"


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["safetensors", "torch"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_a_part_of_a_file_is_refused(device: str, form: str, part: float) -> None:
    file = io.BytesIO()
    tp.save({"x": tp.arange(1000, device=device)}, file, format=form)
    cut = file.getvalue()[: int(len(file.getvalue()) * part)]
    with pytest.raises((ValueError, EOFError, RuntimeError, OSError, pickle.UnpicklingError)):
        tp.load(io.BytesIO(cut))
    assert tp.ones(2, device=device).sum().item() == 2


def test_a_file_for_a_device_that_is_not_there_is_refused(device: str) -> None:
    file = io.BytesIO()
    tp.save(tp.ones(3, device=device), file)
    for where in ("nosuchdevice:0", {device: "nosuchdevice:0"}):
        file.seek(0)
        with pytest.raises(RuntimeError, match="nosuchdevice"):
            tp.load(file, map_location=where)
    file.seek(0)
    assert tp.load(file).tolist() == [1, 1, 1]


def test_objects_of_other_classes_are_not_read_unasked(device: str) -> None:
    file = io.BytesIO()
    pickle.dump({"x": tp.ones(2, device=device), "bad": print}, file)
    file.seek(0)
    with pytest.raises((ValueError, RuntimeError, pickle.UnpicklingError)):
        tp.load(file)


def test_types_that_a_device_lacks_are_refused(device: str) -> None:
    for other in dtypes_of("cpu"):
        if supports(device, other):
            continue
        file = io.BytesIO()
        tp.save(tp.ones(2, dtype=other), file)
        file.seek(0)
        with pytest.raises((RuntimeError, TypeError), match=other.name):
            tp.load(file, map_location=device)
