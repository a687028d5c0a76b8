"""What must be refused, by every function: the error names the op, and nothing was modified."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.autograd.registry import FUNCTIONS, Public
from tensorplug.backends import CapabilityError
from tensorplug.conformance.reference import Call, array_of
from tensorplug.conformance.samples import (
    DTYPES,
    Case,
    Sample,
    first_cases,
    other_devices,
    samples_of,
    tensors_in,
)

REFUSALS = (RuntimeError, TypeError, ValueError, IndexError)


def run(public: Public, sample: Sample, device: str) -> Any:
    with tp.device(device):
        return public.call(*sample.args, **sample.kwargs)


def _attempt(public: Public, sample: Sample, device: str) -> tuple[Any, Exception | None]:
    """The result of a call, or its error."""
    try:
        return run(public, sample, device), None
    except REFUSALS as error:
        return None, error


def refused(
    case: Case, sample: Sample, device: str, *words: str, shapes_only: bool = False
) -> None:
    """The call raises, the text has the words, no input was modified, the device still works."""
    before = [(x, array_of(x), x._version) for x in sample.tensors()]
    call = Call(case, sample, device)
    got, error = _attempt(case.public, sample, device)
    if isinstance(error, CapabilityError):
        raise error  # the function computes in a type that the device does not declare
    if error is not None:
        missing = [word for word in words if word not in str(error)]
        assert not missing, call.fails(f"expected {missing} in the error, got {error!r}")
    else:
        seen = [x.untyped_storage() for x in sample.tensors() if x.numel()]
        alias = all(out.untyped_storage() in seen for out in tensors_in([got]))
        # A view that only asks for the other's shape, such as expand_as, moves no values.
        if not (shapes_only and alias and len(seen) > 1):
            pytest.fail(call.fails(f"expected an error that says {words}, got {got!r}"))
    for x, values, version in before:
        same = np.array_equal(values, array_of(x), equal_nan=x.dtype.is_inexact)
        assert (same, x._version) == (True, version), call.fails("an input was modified")
    assert tp.ones(2, device=device).sum().item() == 2


def elementwise() -> Iterator[Case]:
    """Functions of a row with two elementwise inputs or more."""
    return first_cases(
        lambda p: p.row is not None and p.row.family.elementwise and len(p.row.inputs) > 1
        and p.call is p.row.family.public(p.row)
    )  # fmt: skip


def words_of(public: Public) -> str:
    return public.row.name if public.row is not None else public.name


@pytest.mark.cases(make=elementwise)
def test_shapes_that_do_not_broadcast(case: Case, device: str) -> None:
    sample = samples_of(case.public, device, case.dtype)[0]
    count = len(case.public.row.inputs)
    one, two = (tp.ones(shape, dtype=case.dtype, device=device) for shape in ((2, 3), (4, 3)))
    args = (one, *([two] * (count - 1)), *sample.args[count:])
    refused(case, Sample(args, {}), device, case.public.row.name, "(2, 3)", "(4, 3)")


def with_dim() -> Iterator[Case]:
    """Functions with a parameter ``dim``."""
    return first_cases(lambda p: "dim" in inspect.signature(p.call).parameters and not p.random)


@pytest.mark.cases(make=with_dim)
def test_dimensions_out_of_range(case: Case, device: str) -> None:
    names = list(inspect.signature(case.public.call).parameters)
    at = names.index("dim")
    for sample in samples_of(case.public, device, case.dtype):
        if not any(x.ndim for x in sample.tensors()):
            continue
        for wrong in (9, -9):
            if len(sample.args) > at:
                args = (*sample.args[:at], wrong, *sample.args[at + 1 :])
                changed = Sample(args, sample.kwargs)
            else:
                changed = Sample(sample.args, {**sample.kwargs, "dim": wrong})
            with pytest.raises((IndexError, RuntimeError, ValueError)) as caught:
                run(case.public, changed, device)
            text = Call(case, changed, device).fails(f"got {caught.value!r}")
            assert str(wrong) in str(caught.value), text
        break


def refusing() -> Iterator[Case]:
    """Functions of a row that says which types it takes, with every type that it does not."""
    for public in FUNCTIONS.values():
        row = public.row
        if row is None or row.dtype is None or public.random:
            continue
        if public.call is not row.family.public(row):
            continue
        seen = set()
        for dtype in DTYPES:
            if dtype.kind not in row.dtype.accepts and dtype.kind not in seen:
                seen.add(dtype.kind)
                yield Case(public, dtype)


@pytest.mark.cases(make=refusing)
def test_types_that_a_function_does_not_take(case: Case, device: str) -> None:
    for sample in samples_of(case.public, device, case.dtype):
        if all(x.dtype is case.dtype for x in sample.tensors()):
            refused(case, sample, device, case.public.row.name, case.dtype.name)
            break


def several() -> Iterator[Case]:
    """Functions with two tensors or more in some sample."""
    for case in first_cases(lambda p: not p.random):
        if any(len(s.tensors()) > 1 for s in samples_of(case.public, "cpu", case.dtype)):
            yield case


def _last_on(device: str, sample: Sample) -> Sample:
    """The same arguments with the last tensor on another device."""
    left = iter(range(len(sample.tensors()))[::-1])
    return sample.map(lambda x: x if next(left) else x.to(device))


@pytest.mark.cases(make=several)
def test_two_devices_in_one_call(case: Case, device: str) -> None:
    for other in other_devices(device):
        sample = next(
            s for s in samples_of(case.public, device, case.dtype)
            if sum(x.ndim > 0 for x in s.tensors()) > 1 or len(s.tensors()) > 1
        )  # fmt: skip
        refused(case, _last_on(other, sample), device, device, other, shapes_only=True)


def operands() -> Iterator[Case]:
    return first_cases(
        lambda p: p.row is not None and p.row.family.name in ("UNARY", "BINARY", "COMPARE")
        and p.call is p.row.family.public(p.row)
    )  # fmt: skip


@pytest.mark.cases(make=operands)
def test_what_is_no_tensor(case: Case, device: str) -> None:
    count = len(case.public.row.inputs)
    for wrong in ("text", object(), None, {}):
        args = (wrong, *[tp.ones(2, device=device)] * (count - 1))
        with pytest.raises(TypeError):
            case.public.call(*args)
        if count > 1:
            with pytest.raises(TypeError):
                case.public.call(*reversed(args))


@pytest.mark.cases(make=first_cases)
def test_arguments_that_do_not_exist_or_are_missing(case: Case, device: str) -> None:
    call = case.public.call
    samples = samples_of(case.public, device, case.dtype)
    sample = samples[0] if samples else Sample((), {})
    with tp.device(device):
        with pytest.raises(TypeError):
            call(*sample.args, **{**sample.kwargs, "no_such_argument": 1})
        needed = [p for p in inspect.signature(call).parameters.values()
                  if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]  # fmt: skip
        if needed:
            with pytest.raises(TypeError):
                call(**sample.kwargs)


# --- mixing devices elsewhere ---------------------------------------------------------------------


@pytest.mark.parametrize("way", ["setitem", "index", "out", "inplace", "operator", "grad", "where"])
def test_two_devices_in_other_ways(device: str, way: str) -> None:
    for other in other_devices(device):
        x, y = tp.ones(3, device=device), tp.zeros(3, device=other)
        at = tp.tensor([0, 1], device=other)
        ways = {
            "setitem": lambda x=x, y=y: x.__setitem__(slice(None), y),
            "index": lambda x=x, at=at: x[at],
            "out": lambda x=x, y=y: tp.add(x, x, out=y),
            "inplace": lambda x=x, y=y: x.add_(y),
            "operator": lambda x=x, y=y: y * x,
            "grad": lambda x=x, y=y: setattr(x, "grad", y),
            "where": lambda x=x, y=y: tp.where(x > 0, x, y),
        }
        if (way, other) == ("index", "cpu"):  # as in torch
            assert x[at].tolist() == [1, 1]
            continue
        with pytest.raises(RuntimeError) as caught:
            ways[way]()
        assert device in str(caught.value)
        assert other in str(caught.value)
        assert (x.tolist(), y.tolist()) == ([1, 1, 1], [0, 0, 0])


# --- devices -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["nosuchdevice", "nosuchdevice:0", "cpu:99", "", "cpu:x", "cpu:-1"]
)
def test_unknown_devices(name: str) -> None:
    with pytest.raises(RuntimeError):
        tp.device(name)


def test_an_index_that_does_not_exist(device: str) -> None:
    found = tp.device(device)
    with pytest.raises(RuntimeError, match="index"):
        tp.device(f"{found.type}:{len(found.backend.devices())}")


@pytest.mark.parametrize("shape", [(-1,), (2, -3), (1.5,), ("a",)])
def test_wrong_sizes(device: str, shape: Any) -> None:
    with pytest.raises((RuntimeError, TypeError)):
        tp.zeros(shape, device=device)


@pytest.mark.parametrize("data", [[[1, 2], [3]], "abc", [object()], [[1], 2]])
def test_data_that_is_no_array(device: str, data: Any) -> None:
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        tp.tensor(data, device=device)
