"""Tensors made of NumPy arrays of any layout, and DLPack in both directions: values, strides, who
shares memory, who keeps it alive.
"""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.checks import few
from tensorplug.conformance.reference import same
from tensorplug.conformance.samples import dtypes_of, other_devices, supports

BASE = np.arange(120)

ARRAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "plain": lambda a: a.reshape(4, 5, 6),
    "transposed": lambda a: a.reshape(4, 5, 6).T,
    "fortran": lambda a: np.asfortranarray(a.reshape(8, 15)),
    "steps": lambda a: a.reshape(8, 15)[::2, 1::3],
    "negative": lambda a: a.reshape(8, 15)[::-1, ::-2],
    "broadcast": lambda a: np.broadcast_to(a[:5], (3, 5)),
    "0-d": lambda a: a[7],
    "0-d view": lambda a: a.reshape(8, 15)[2, 3, ...],
    "empty": lambda a: a.reshape(8, 15)[3:3],
    "size 1": lambda a: a.reshape(8, 15)[:1, ::-1][:, :1],
    "one element": lambda a: a[119:],
    "odd": lambda a: a[3:34],
}

FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": lambda a: a,
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "read-only": lambda a: _frozen(a),
    "not aligned": lambda a: _shifted(a),
    "a subclass": lambda a: a.view(_Named),
}


class _Named(np.ndarray):
    """A subclass that adds nothing."""


def _frozen(a: np.ndarray) -> np.ndarray:
    a = a.view()
    a.flags.writeable = False
    return a


def _shifted(a: np.ndarray) -> np.ndarray:
    """The same values at addresses that do not divide by the size of an element."""
    memory = np.zeros(a.nbytes + 1, np.uint8)
    found: np.ndarray = memory[1:].view(a.dtype).reshape(a.shape)
    found[...] = a
    return found


def arrays_of(device: str, kind: str) -> list[np.ndarray]:
    plain = [d for d in dtypes_of(device) if d not in (tp.bool, tp.bfloat16)]
    made = [ARRAYS[kind](BASE.astype(d.numpy)) for d in plain]
    if supports(device, tp.bool):
        made.append(ARRAYS[kind](BASE % 3 == 1))
    return made


@pytest.mark.parametrize("kind", ARRAYS)
def test_tensors_of_arrays_of_any_layout(device: str, kind: str) -> None:
    for a in few(device, arrays_of(device, kind), False, one_of=3):
        x = tp.tensor(a, device=device)
        text = f"tp.tensor of a {kind} array of {np.asarray(a).dtype} on {device}"
        assert same(x, np.asarray(a)), f"{text}: expected {a}, got {x.tolist()}"
        assert x.is_contiguous(), f"{text}: strides {x.stride()} for {tuple(x.shape)}"
        y = tp.as_tensor(a, device=device)
        assert same(y, np.asarray(a)), f"as_{text[3:]}: expected {a}, got {y.tolist()}"
        assert (y + y).shape == x.shape, text


@pytest.mark.parametrize("form", FORMS)
def test_tensors_of_arrays_of_any_form(device: str, form: str) -> None:
    for dtype in dtypes_of(device):
        if dtype is tp.bfloat16 and form != "as it is":
            continue
        a = np.arange(1, 7).reshape(2, 3).astype(dtype.numpy)
        given = FORMS[form](a)
        for make in (tp.tensor, tp.as_tensor):
            x = make(given, device=device)
            text = f"{make.__name__} of an array ({form}) of {dtype} on {device}"
            assert x.dtype is dtype, f"{text}: got {x.dtype}"
            assert same(x, a), f"{text}: expected {a.tolist()}, got {x.tolist()}"
            if form != "read-only":
                (x if make is tp.tensor else x.clone()).add_(x)
        assert np.array_equal(np.asarray(given, dtype.numpy), a), f"{form}: the array changed"


def test_a_write_to_a_new_tensor_is_not_one_to_its_source(device: str) -> None:
    for make in (lambda a: tp.tensor(a, device=device), lambda a: tp.tensor(a[::-1], device=device),
                 lambda a: tp.tensor(a.T, device=device),
                 lambda a: tp.ones(1, device=device).new_tensor(a)):  # fmt: skip
        a = np.arange(6, dtype=np.float32)
        x = make(a)
        x.fill_(9)
        assert a.tolist() == [0, 1, 2, 3, 4, 5], f"a tensor on {device} shares memory with an array"
        y = make(a)
        a[...] = -1
        assert sorted(y.tolist()) == [0, 1, 2, 3, 4, 5], f"{device}: an array is seen by a tensor"


@pytest.mark.needs("host_memory")
def test_numpy_shares_memory_of_every_layout(device: str) -> None:
    a = np.arange(24, dtype=np.float32).reshape(4, 6)
    x = tp.tensor(a, device=device)
    for how, view, part in (
        ("x", x, a), ("x.T", x.T, a.T), ("x[1::2, ::-1]", x[1::2, ::-1], a[1::2, ::-1]),
        ("x[2, 3]", x[2, 3], a[2, 3, ...]), ("x[4:]", x[4:], a[4:]),
        ("expand", x[:, :1].expand(4, 3), np.broadcast_to(a[:, :1], (4, 3))),
    ):  # fmt: skip
        got = view.numpy()
        assert np.array_equal(got, part), f"{how}.numpy() on {device}: expected {part}, got {got}"
        if got.size and how != "expand":
            got[...] = got + 100
            part[...] = part + 100
            assert x.tolist() == a.tolist(), f"a write to {how}.numpy() on {device} is not seen"
            x.sub_(1)
            a -= 1
            assert np.array_equal(got, part), f"{how}.numpy() on {device} does not see a write"
    got = x.numpy()
    del x, view
    gc.collect()
    assert np.array_equal(got, a), f"the memory of {device} went while NumPy looked at it"


# --- DLPack ---------------------------------------------------------------------------------------

VIEWS: dict[str, Callable[[Any], Any]] = {
    "x": lambda x: x,
    "x.T": lambda x: x.T,
    "x[1:, ::2]": lambda x: x[1:, ::2],
    "x[2:3, 1:2]": lambda x: x[2:3, 1:2],
    "x[-1]": lambda x: x[-1],
    "x[1, 1]": lambda x: x[1, 1, ...],
    "x[4:]": lambda x: x[4:],
    "x[::-1]": lambda x: x[::-1],
}


@pytest.mark.needs("dlpack_export", "dlpack_import")
@pytest.mark.parametrize("how", VIEWS)
def test_an_exchange_keeps_values_types_and_device(device: str, how: str) -> None:
    for dtype in few(device, dtypes_of(device), False, one_of=3):
        a = (np.arange(24) % (2 if dtype is tp.bool else 24)).reshape(4, 6).astype(dtype.numpy)
        view, part = VIEWS[how](tp.tensor(a, device=device)), VIEWS[how](a)
        text = f"from_dlpack({how}) of {dtype} on {device}"
        try:
            got = tp.from_dlpack(view)
        except (BufferError, TypeError, RuntimeError):
            # libraries differ in the types and strides that they exchange; what is plain they do
            assert how != "x" or dtype not in (tp.float32, tp.int64), f"{text}: refused"
            continue
        assert (got.dtype, str(got.device)) == (dtype, device), f"{text}: {got.dtype}, {got.device}"
        assert same(got.clone(), np.ascontiguousarray(part).reshape(part.shape)), (
            f"{text}: expected {part.tolist()}, got {got.tolist()}"
        )


@pytest.mark.needs("dlpack_export", "dlpack_import")
def test_a_copy_by_way_of_an_exchange_is_one(device: str) -> None:
    x = tp.tensor(np.arange(6, dtype=np.float32), device=device)
    y = tp.from_dlpack(x, copy=True)
    x.fill_(-1)
    assert y.tolist() == [0, 1, 2, 3, 4, 5], f"copy=True on {device} shares memory"
    y.fill_(5)
    assert x.tolist() == [-1] * 6, f"copy=True on {device} shares memory"


@pytest.mark.needs("dlpack_export", "dlpack_import")
def test_memory_lives_as_long_as_somebody_looks(device: str) -> None:
    x = tp.tensor(np.arange(1000, dtype=np.float32), device=device)
    y, z = tp.from_dlpack(x), tp.from_dlpack(x)
    capsule = x.__dlpack__()
    del x
    gc.collect()
    junk = [tp.full((1000,), -1.0, device=device) for _ in range(8)]
    want = list(map(float, range(1000)))
    assert y.tolist() == z.tolist() == want, f"from_dlpack on {device} lost its memory"
    del y
    gc.collect()
    assert z.tolist() == want, f"from_dlpack on {device} lost its memory with another import"
    del capsule, junk


@pytest.mark.needs("dlpack_export")
def test_the_device_of_an_exchange_is_two_numbers(device: str) -> None:
    kind, index = tp.ones(2, device=device).__dlpack_device__()
    assert (int(kind) > 0, int(index) >= 0) == (True, True), f"{device}: got {kind}, {index}"


@pytest.mark.needs("host_memory")
@pytest.mark.parametrize("how", [how for how in VIEWS if how != "x[::-1]"])
def test_an_exchange_with_numpy_shares_memory(device: str, how: str) -> None:
    a = np.arange(24, dtype=np.float64).reshape(4, 6)
    x = tp.tensor(a, device=device)
    got, part = np.from_dlpack(VIEWS[how](x)), VIEWS[how](a)
    assert np.array_equal(got, part), f"np.from_dlpack({how}) on {device}: {part} != {got}"
    x.add_(1)
    a += 1
    assert np.array_equal(got, part), f"np.from_dlpack({how}) on {device} is a copy"


@pytest.mark.parametrize("how", VIEWS)
def test_arrays_and_buffers_of_a_tensor_are_its_memory(device: str, how: str) -> None:
    """Where the host sees it; elsewhere nothing is copied unasked."""
    a = np.arange(24, dtype=np.float64).reshape(4, 6)
    x = tp.tensor(a, device=device)
    view, part = VIEWS[how](x), VIEWS[how](a)
    ways: list[Any] = [view.numpy, lambda: np.asarray(view), lambda: memoryview(np.asarray(view))]
    if "host_memory" not in tp.device(device).capabilities:
        for way in ways:
            with pytest.raises(TypeError, match="numpy"):
                way()
        return
    one, two, three = (way() for way in ways)
    x.add_(1)
    a += 1
    for name, got in (("numpy()", one), ("asarray", two), ("memoryview", three)):
        text = f"{name} of {how} on {device}"
        told = min(part.shape, default=2) > 1  # steps along one element are nobody's
        assert not told or got.strides == part.strides, f"{text}: strides {got.strides}"
        assert np.array_equal(np.asarray(got), part), f"{text} is a copy"
    if part.size:
        two[...] = -1
        assert bool((view == -1).all()), f"a write to an array of {how} on {device} is not seen"


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text", "objects", "records", "dates"])
def test_arrays_of_no_numbers_are_refused(device: str, kind: str) -> None:
    a = {"text": np.array(["a", "b"]), "objects": np.array([1, None], object),
         "records": np.zeros(2, [("x", "f4")]), "dates": np.zeros(2, "M8[s]")}[kind]  # fmt: skip
    for make in (tp.tensor, tp.as_tensor):
        with pytest.raises((TypeError, RuntimeError, ValueError)):
            make(a, device=device)
    assert tp.ones(2, device=device).sum().item() == 2


@pytest.mark.parametrize("wrong", [3, "text", None, [1.0, 2.0]])
def test_what_is_no_array_is_not_exchanged(device: str, wrong: Any) -> None:
    with tp.device(device), pytest.raises((TypeError, AttributeError, RuntimeError, BufferError)):
        tp.from_dlpack(wrong)
    assert tp.ones(2, device=device).sum().item() == 2


@pytest.mark.needs("dlpack_export")
def test_a_capsule_is_taken_once(device: str) -> None:
    x = tp.ones(3, device=device, requires_grad=True)
    for export in (lambda: x.__dlpack__(), lambda: (x * 2).__dlpack__()):
        with pytest.raises(BufferError, match="grad"):
            export()
    assert x.tolist() == [1, 1, 1]


def test_copies_of_tensors_share_nothing(device: str) -> None:
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    for how, make in (("clone", lambda x: x.clone()), ("deepcopy", copy.deepcopy),
                      ("to", lambda x: x.to(device, copy=True)), ("tensor", lambda x: x + 0),
                      ("new_tensor", lambda x: x.clone().contiguous())):  # fmt: skip
        for name, part in VIEWS.items():
            x = tp.tensor(a, device=device)
            view = part(x)
            y = make(view)
            shared = bool(view.numel()) and y.untyped_storage() == x.untyped_storage()
            assert not shared, f"{how} of {name} on {device} shares its memory"
            y.fill_(-5)
            assert x.tolist() == a.tolist(), f"a write to a {how} of {name} on {device} is seen"
    for other in other_devices(device):
        x = tp.tensor(a, device=device)
        y = x.T.to(other)
        x.fill_(0)
        assert y.tolist() == a.T.tolist(), f"a copy on {other} changes with its source on {device}"
