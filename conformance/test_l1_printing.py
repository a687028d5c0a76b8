"""How tensors of the device print."""

from __future__ import annotations

import tensorplug as tp
from tensorplug.conformance.samples import dtypes_of


def suffix(device: str) -> str:
    return "" if device == "cpu" else f", device='{device}'"


def test_values_are_followed_by_the_device(device: str) -> None:
    x = tp.tensor([1.0, 2.5], device=device)
    assert repr(x) == f"tensor([1.0000, 2.5000]{suffix(device)})"
    assert str(x) == repr(x)


def test_types_that_are_not_plain_are_named(device: str) -> None:
    for dtype in dtypes_of(device):
        text = repr(tp.ones(2, dtype=dtype, device=device))
        plain = dtype in (tp.bool, tp.int64, tp.float32, tp.complex64)
        assert (dtype.name in text) != plain, text
        assert text.startswith("tensor(["), text


def test_history_is_named(device: str) -> None:
    x = tp.ones(1, device=device, requires_grad=True)
    assert repr(x) == f"tensor([1.]{suffix(device)}, requires_grad=True)"
    assert repr(x * 2) == f"tensor([2.]{suffix(device)}, grad_fn=<MulBackward0>)"
    assert repr(x.detach()) == f"tensor([1.]{suffix(device)})"


def test_views_empty_and_single_tensors_print(device: str) -> None:
    x = tp.tensor([[1, 2], [3, 4]], device=device)
    assert repr(x.t()[0]) == f"tensor([1, 3]{suffix(device)})"
    assert repr(tp.tensor(7, device=device)) == f"tensor(7{suffix(device)})"
    assert "size=(0, 3)" in repr(tp.zeros((0, 3), device=device))


def test_many_elements_are_left_out(device: str) -> None:
    text = repr(tp.zeros(5000, device=device))
    assert "..." in text
    assert len(text) < 200


def test_the_device_itself_prints(device: str) -> None:
    found = tp.ones(1, device=device).device
    assert str(found) == device
    assert repr(found).startswith(f"device(type='{found.type}'")
