"""The comparison itself: torch agrees with torch, and every kind of deviation is found."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pytest
import torch

from . import differences, tiers
from .check import Limits, Result, check_name
from .convert import Converter
from .differences import Difference, Finding
from .own_programs import OWN
from .subject import Subject
from .table import percentage, verdict

LIMITS = Limits(full=4, light=2, gradient=3, second=2, variant=3, error=6)


def _with(**changes: Any) -> Subject:
    """Torch with some functions replaced."""
    subject = Subject("torch")
    subject.module = types.ModuleType("altered")
    subject.module.__dict__.update({**vars(torch), **changes})
    return subject


class _WrongGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.exp()

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
        return 2 * g


def _findings(name: str, subject: Subject) -> dict[str, Finding]:
    result = check_name(name, subject, 1, LIMITS)
    return {finding.check: finding for finding in result.findings}


@pytest.mark.parametrize(
    "name", ["exp", "cat", "nn.functional.relu", "linalg.svd", "sort", "where", "tensor", "rand"]
)
def test_torch_agrees_with_itself(name: str) -> None:
    result = check_name(name, Subject("torch"), 1, LIMITS)
    assert result.status == "agree", result.first()
    assert result.compared


@pytest.mark.parametrize(
    ("name", "wrong", "check"),
    [
        ("exp", lambda x: torch.exp(x) * 1.001, "forward"),
        ("exp", lambda x: torch.exp(x).double(), "forward"),
        ("exp", lambda x: torch.exp(x).unsqueeze(0), "forward"),
        ("exp", _WrongGradient.apply, "gradient"),
        ("cat", lambda *args, **kwargs: torch.zeros(1), "error"),
        ("allclose", lambda *args, **kwargs: True, "forward"),
        ("unbind", lambda *args, **kwargs: list(torch.unbind(*args, **kwargs))[1:], "forward"),
        ("topk", lambda *args, **kwargs: tuple(torch.topk(*args, **kwargs)), "forward"),
        ("rand", lambda *args, **kwargs: torch.zeros(*args, **kwargs), "moments"),
        ("result_type", lambda a, b: torch.float32, "own"),
    ],
)
def test_deviation_is_found(name: str, wrong: Callable[..., Any], check: str) -> None:
    findings = _findings(name, _with(**{name: wrong}))
    assert check in findings
    assert "expected" in str(findings[check])


def test_method_and_in_place_deviations_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Altered(torch.Tensor):
        exp = torch.Tensor.cos
        exp_ = torch.Tensor.exp

    findings = _findings("exp", _with(Tensor=type("Tensor", (), {"exp": Altered.exp})))
    assert findings["method"].got
    assert "no such method" in findings["in-place"].got
    altered = Subject("torch")
    monkeypatch.setattr(altered, "method", lambda name: getattr(Altered, name, None))
    findings = _findings("exp", altered)
    assert "another object" in findings["in-place"].got


def test_missing_name() -> None:
    subject = Subject("torch")
    subject.module = types.SimpleNamespace(Tensor=object)
    assert check_name("add", subject, 1, LIMITS).status == "missing"


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match=r"expected a name of tier 1, got 'special'"):
        check_name("special", Subject("torch"), 1, LIMITS)


def test_conversion_keeps_layout_aliasing_and_leaves() -> None:
    base = torch.arange(12.0)
    turned, row = base.view(3, 4).t(), base[4:8]
    wide = torch.ones(3, 1).expand(3, 5)
    leaf = torch.ones(2, 2, requires_grad=True)
    convert = Converter(Subject("torch"))
    mine = convert([turned, row, wide, leaf, leaf, torch.randn(2, dtype=torch.complex64).conj()])
    assert [x.stride() for x in mine[:3]] == [x.stride() for x in (turned, row, wide)]
    assert mine[1].storage_offset() == 4
    mine[1].zero_()
    assert bool((mine[0][:, 1] == 0).all())
    assert base[4] == 4
    assert mine[3] is mine[4]
    assert mine[3].is_leaf
    assert mine[3].requires_grad
    assert not mine[5].is_conj()


def test_known_difference_excuses_what_it_covers() -> None:
    difference = Difference(("add",), "x", "y", checks=("forward",), dtypes=("bool",), call="alpha")
    finding = Finding("add", "add", "forward", "bool", "tp.add(alpha=2)", "1", "2")
    assert difference.covers(finding)
    others = {"name": "sub", "check": "gradient", "dtype": "int64", "call": "tp.add()"}
    for key, value in others.items():
        fields = {**vars(finding), key: value}
        assert not difference.covers(Finding(**fields)), key


def test_document_is_up_to_date() -> None:
    text = differences.DOCUMENT.read_text(encoding="utf-8")
    assert text == differences.document(), "run: python tests/parity/report.py --write-docs"


def test_names_and_programs_match() -> None:
    names = [len(tiers.names(tier)) for tier in (1, 2, 3)]
    assert names == [292 + len(OWN) - 1, 179, 123], "full is in both lists"
    assert set(OWN) <= set(tiers.names(1))
    with pytest.raises(ValueError, match="expected tier 1, 2 or 3, got 4"):
        tiers.names(4)


def test_verdict() -> None:
    results = [Result("a").summary(), Result("b", status="differ").summary()]
    assert percentage(results) == 50
    assert verdict(results, 1) == "parity: 1 of 2 tier 1 names agree (50.0 %); 1 differ"
