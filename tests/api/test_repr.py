"""Printing, against texts recorded from PyTorch (``printing.txt``; the parity run checks them)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tensorplug as tp


def recorded() -> list[tuple[str, str]]:
    """Expressions and texts of ``printing.txt``, which reads like a Python session."""
    text = Path(__file__).with_name("printing.txt").read_text(encoding="utf-8")
    blocks = text.split(">>> ")[1:]
    return [(block.partition("\n")[0], block.partition("\n")[2].rstrip("\n")) for block in blocks]


@pytest.fixture(autouse=True)
def _default_options() -> Iterator[None]:
    yield
    tp.set_printoptions(profile="default")


def test_session_recorded_from_torch() -> None:
    wrong = []
    for expression, expected in recorded():
        found: Any = eval(expression, {"m": tp, "nan": math.nan, "inf": math.inf})
        text = found if isinstance(found, str) else "" if found is None else repr(found)
        if text != expected:
            wrong.append(f"{expression}\n{text}\nexpected:\n{expected}")
    assert not wrong, "\n\n".join(wrong)


def test_str_is_repr_and_format_without_spec() -> None:
    x = tp.tensor([1.0, 2.0])
    assert str(x) == repr(x) == f"{x}" == "tensor([1., 2.])"


def test_format_with_spec_needs_a_number() -> None:
    assert f"{tp.tensor(0.25):.1%}" == "25.0%"
    assert f"{tp.tensor(1 + 2j):.1f}" == "1.0+2.0j"
    assert f"{tp.nn.Parameter(tp.tensor(0.5)):.2f}" == "0.50"
    with pytest.raises(TypeError, match="unsupported format string"):
        format(tp.tensor([1.0]), ".2f")


def test_device_is_told_when_it_is_not_the_cpu() -> None:
    x = tp.tensor([1.0, 2.0]).to("strict:0")
    assert repr(x) == "tensor([1., 2.], device='strict:0')"
    y = tp.ones(2, dtype=tp.float64, device="strict:0", requires_grad=True)
    assert repr(y) == (
        "tensor([1., 1.], device='strict:0', dtype=tensorplug.float64,\n       requires_grad=True)"
    )


def test_default_dtype_decides_what_is_told() -> None:
    tp.set_default_dtype(tp.float64)
    try:
        assert repr(tp.tensor([1.0])) == "tensor([1.])"
        assert repr(tp.tensor([1j])) == "tensor([0.+1.j])"
        single = tp.tensor([1.0], dtype=tp.float32)
        assert repr(single) == "tensor([1.], dtype=tensorplug.float32)"
    finally:
        tp.set_default_dtype(tp.float32)


def test_views_print_their_own_elements() -> None:
    x = tp.arange(6).reshape(2, 3)
    assert repr(x.t()[::2]) == "tensor([[0, 3],\n        [2, 5]])"
    assert repr(x[0].expand(2, 3)) == "tensor([[0, 1, 2],\n        [0, 1, 2]])"


def test_a_summary_copies_only_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    x = tp.zeros(1).expand(1000, 1000, 1000)  # would be 4 GB
    backend = type(x.device.backend)
    to_host, sizes = backend.to_host, []

    def counting(self: Any, handle: Any) -> Any:
        sizes.append(math.prod(handle.shape))
        return to_host(self, handle)

    monkeypatch.setattr(backend, "to_host", counting)
    assert repr(x).count("0.") == 6**3
    assert sum(sizes) == 6**3


def test_printing_records_nothing() -> None:
    x = tp.ones(3, requires_grad=True)
    y = x * 2
    node = y.grad_fn
    assert "grad_fn=<MulBackward0>" in repr(y)
    assert y.grad_fn is node


def test_printoptions_come_back() -> None:
    before = tp.get_printoptions()
    with tp.printoptions(precision=1, sci_mode=True):
        assert repr(tp.tensor([1.25])) == "tensor([1.2e+00])"
        assert tp.get_printoptions()["precision"] == 1
    assert tp.get_printoptions() == before
    with pytest.raises(RuntimeError, match="inside"), tp.printoptions(threshold=1):
        raise RuntimeError("inside")
    assert tp.get_printoptions() == before


def test_sci_mode_is_forgotten_by_the_next_call() -> None:
    tp.set_printoptions(sci_mode=True)
    tp.set_printoptions(precision=3)
    assert repr(tp.tensor([1.5])) == "tensor([1.500])"


def test_unknown_profile_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected one of default, short, full .* got 'huge'"):
        tp.set_printoptions(profile="huge")
