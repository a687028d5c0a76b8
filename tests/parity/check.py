"""The comparison of one name: function, method, operator, in-place variant and raised errors.

Gradients are in ``gradients``; names outside the operator database are in ``own``.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from . import database as db
from .calls import Call, answer, compare_call, raised
from .convert import Converter, rebind
from .differences import Finding, excuse
from .gradients import gradient_findings
from .own_programs import OWN, own_findings
from .random_checks import moment_findings
from .subject import Subject

__all__ = ["Limits", "Result", "check_name"]

ACCEPTED_ERRORS = (RuntimeError, TypeError, ValueError, IndexError)


@dataclass(frozen=True)
class Limits:
    """How many samples of each (entry, dtype) are compared; None means all."""

    full: int | None = 25
    light: int | None = 5
    gradient: int | None = 10
    second: int | None = 3
    variant: int | None = 6
    error: int | None = 12

    @classmethod
    def all_samples(cls) -> Limits:
        """No limits."""
        return cls(None, None, None, None, None, None)

    @classmethod
    def few_samples(cls) -> Limits:
        """For devices where each new shape costs a compilation."""
        return cls(4, 1, 2, 1, 2, 4)


@dataclass
class Result:
    """What became of one name: ``agree``, ``differ`` or ``missing``."""

    name: str
    status: str = "agree"
    compared: int = 0
    findings: list[Finding] = field(default_factory=list)
    excused: list[str] = field(default_factory=list)

    def add(self, finding: Finding | None) -> None:
        """Count one comparison and keep its finding, unless a known difference explains it."""
        self.compared += 1
        if finding is None:
            return
        difference = excuse(finding)
        if difference is not None:
            if difference.what not in self.excused:
                self.excused.append(difference.what)
            return
        self.findings.append(finding)
        self.status = "differ"

    def summary(self) -> dict[str, Any]:
        """What the table and the JSON file show."""
        return {
            "name": self.name,
            "status": self.status,
            "compared": self.compared,
            "disagree": len(self.findings),
            "excused": self.excused,
            "first": self.first(),
        }

    def first(self) -> str:
        """The first finding in three lines, with the number of the others."""
        if not self.findings:
            return ""
        more = len(self.findings) - 1
        return f"{self.findings[0]}" + (f"\n    and {more} more" if more else "")


def _forward(
    entry: Any, subject: Subject, function: Callable[..., Any], limits: Limits
) -> Iterator[Finding | None]:
    for dtypes, cap in ((db.FULL, limits.full), (db.LIGHT, limits.light)):
        for dtype in db.dtypes(entry, dtypes):
            name = str(dtype).removeprefix("torch.")
            for sample in db.samples(entry, dtype, False, cap):
                yield compare_call(
                    Call(entry, name, sample), "forward", entry.op, function, subject
                )


def _variants(entry: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The entry's other spellings as (kind, torch's function)."""
    found = {
        "method": entry.get_method(),
        "operator": entry.get_operator(),
        "in-place": entry.get_inplace(),
        "in-place operator": entry.get_inplace_operator(),
    }
    yield from ((kind, function) for kind, function in found.items() if function is not None)


def _counterpart(entry: Any, subject: Subject, kind: str, function: Any) -> Any:
    """The subject's spelling of one of the entry's variants; None where it has none."""
    if kind.endswith("operator"):
        return function
    if isinstance(function, functools.partial):
        own = db.subject_call(entry, subject)
        return functools.partial(own, *function.args, **function.keywords)
    if function.__name__ == "<lambda>":
        return rebind(function, subject)
    return subject.method(function.__name__)


def _variant_findings(entry: Any, subject: Subject, limits: Limits) -> Iterator[Finding | None]:
    for kind, function in _variants(entry):
        check = kind.split(" ")[0]
        mine = _counterpart(entry, subject, kind, function)
        if mine is None:
            code = f"tp.Tensor.{function.__name__}"
            full = db.full_name(entry)
            yield Finding(entry.name, full, check, "", code, "a method", "no such method")
            continue
        for dtype in db.dtypes(entry, db.FULL):
            for sample in db.samples(entry, dtype, False, limits.variant):
                if _takes(kind, sample):
                    call = Call(entry, str(dtype).removeprefix("torch."), sample)
                    in_place = check == "in-place"
                    yield compare_call(call, check, function, mine, subject, clone=in_place)


def _takes(kind: str, sample: Any) -> bool:
    """Whether that spelling can express the sample."""
    if not isinstance(sample.input, torch.Tensor):
        return False
    if kind.startswith("in-place") and sample.broadcasts_input:
        return False
    return not (kind.endswith("operator") and sample.kwargs)


def _error_finding(
    call: Call, subject: Subject, function: Callable[..., Any]
) -> tuple[bool, Finding | None]:
    """Whether torch refuses the call and, if so, what the subject does wrong about it."""
    value, args, kwargs = call.arguments
    convert = Converter(subject)
    mine, unconvertible = answer(lambda: convert.call(call.arguments))
    _, refused = answer(lambda: call.entry.op(value, *args, **kwargs))
    if refused is None or unconvertible is not None:
        return False, None
    _, error = answer(lambda: function(mine[0], *mine[1], **mine[2]))
    family = ACCEPTED_ERRORS if isinstance(refused, ACCEPTED_ERRORS) else Exception
    if isinstance(error, family):
        return True, None
    got = "no error" if error is None else raised(error)
    return True, call.finding("error", raised(refused), got)


def _error_findings(
    entry: Any, subject: Subject, function: Callable[..., Any], limits: Limits
) -> Iterator[Finding | None]:
    for sample in db.error_samples(entry, limits.error):
        if entry.name.startswith("__") and not isinstance(sample.input, torch.Tensor):
            continue  # a slot of torch's tensor type refuses other objects; that says nothing
        comparable, finding = _error_finding(Call(entry, "", sample), subject, function)
        if comparable:
            yield finding


def check_name(name: str, subject: Subject, tier: int, limits: Limits) -> Result:
    """Compare everything about one dotted name and say whether it agrees."""
    result = Result(name)
    if subject.lookup(name) is None:
        result.status = "missing"
        return result
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name in OWN:
            _collect(result, own_findings(name, subject))
        for entry in db.entries(name, tier):
            function = db.subject_call(entry, subject)
            _collect(result, _forward(entry, subject, function, limits))
            _collect(result, _variant_findings(entry, subject, limits))
            _collect(result, _error_findings(entry, subject, function, limits))
            if name not in db.RANDOM:
                _collect(
                    result,
                    gradient_findings(entry, subject, function, limits.gradient, limits.second),
                )
        _collect(result, moment_findings(name, subject))
    if not result.compared:
        raise ValueError(f"check_name: expected a name of tier {tier}, got {name!r}")
    return result


def _collect(result: Result, findings: Iterator[Finding | None]) -> None:
    for finding in findings:
        result.add(finding)
