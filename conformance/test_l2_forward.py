"""Every function with every type: values against the reference, result types, what stays as it is,
``out=``, methods and aliases.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.autograd.registry import FUNCTIONS, Public
from tensorplug.backends.dtypes import DType, promote
from tensorplug.conformance.reference import (
    Call,
    array_of,
    compare,
    expected,
    kernel_of,
    reference_of,
)
from tensorplug.conformance.samples import (
    Case,
    Sample,
    cases,
    dtypes_of,
    first_cases,
    samples_of,
    supports,
    tensors_in,
)

ELEMENTWISE = ("UNARY", "BINARY", "COMPARE")


def deterministic() -> Iterator[Case]:
    return (case for case in cases() if not case.public.random)


def run(public: Public, sample: Sample, device: str) -> Any:
    with tp.device(device):
        return public.call(*sample.args, **sample.kwargs)


def both(case: Case, device: str) -> Iterator[tuple[Sample, Sample]]:
    """The same samples on the device under test and on cpu."""
    mine, theirs = (samples_of(case.public, name, case.dtype) for name in (device, "cpu"))
    return zip(mine, theirs, strict=True)


def test_every_function_says_how_to_call_it() -> None:
    told = {case.public.qualname for case in cases() if samples_of(case.public, "cpu", case.dtype)}
    silent = [name for name in FUNCTIONS if name not in told]
    assert not silent, f"expected samples= for every function, got none for {silent}"


@pytest.mark.cases(make=deterministic)
def test_values_types_and_devices(case: Case, device: str) -> None:
    for sample, there in both(case, device):
        call = Call(case, sample, device)
        want, source = expected(case.public, there)
        inputs = sample.tensors()
        before = [(array_of(x), x._version) for x in inputs]
        got = run(case.public, sample, device)
        known = got
        if case.public.tested is not case.public.call:  # where not all of the result is determined
            with tp.device(device):
                known = case.public.tested(*sample.args, **sample.kwargs)
        problem = compare(known, want, case.dtype)
        assert problem is None, call.fails(problem or "", source)
        wrong = [str(x.device) for x in tensors_in([got]) if str(x.device) != device]
        assert not wrong, call.fails(f"expected results on {device}, got {wrong}")
        problem = _wrong_type(case, sample, there, got, device)
        assert problem is None, call.fails(problem or "", "the row's type rule, or cpu")
        if not case.public.name.endswith("_"):
            for x, (values, version) in zip(inputs, before, strict=True):
                same = np.array_equal(values, array_of(x), equal_nan=x.dtype.is_inexact)
                assert (same, x._version) == (True, version), call.fails("an input was modified")


def _wrong_type(case: Case, sample: Sample, there: Sample, got: Any, device: str) -> str | None:
    found = tensors_in([got])
    row = case.public.row
    if row is not None and row.family.name in (*ELEMENTWISE, "TERNARY", "REDUCE"):
        plain = all(isinstance(x, tp.Tensor) and x.dtype is case.dtype for x in sample.args[:2])
        if row.family.name == "REDUCE":
            plain = not sample.kwargs.get("dtype")
        compute = row.dtype.compute(case.dtype)
        if plain and case.public.call is row.family.public(row) and compute is not None:
            rule = row.dtype.result(compute)
            return None if found[0].dtype is rule else f"expected {rule}, got {found[0].dtype}"
    if device == "cpu":
        return None
    wants = [x.dtype for x in tensors_in([run(case.public, there, "cpu")])]
    gots = [x.dtype for x in found]
    return None if gots == wants else f"expected types {wants}, got {gots}"


# --- special values ------------------------------------------------------------------------------

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -3.5, 100.0, np.inf, -np.inf, np.nan]


def with_reference() -> Iterator[Case]:
    for case in cases(lambda dtype: dtype is tp.float64):
        row = case.public.row
        plain = row is not None and row.family.name in ELEMENTWISE and not case.public.namespace
        if plain and reference_of(case.public) is not None:
            yield case


@pytest.mark.cases(make=with_reference)
def test_inf_nan_and_zero(case: Case, device: str) -> None:
    values = np.array(SPECIAL)
    if case.public.row.family.name == "UNARY":
        arrays: list[np.ndarray] = [values]
    else:
        arrays = [np.repeat(values, len(values)), np.tile(values, len(values))]
    there = Sample(tuple(tp.tensor(a, dtype=case.dtype) for a in arrays), {})
    sample = there.map(lambda x: x.to(device))
    want, source = expected(case.public, there)
    problem = compare(run(case.public, sample, device), want, case.dtype)
    text = f"{problem}; the inputs are pairs of {SPECIAL}"
    assert problem is None, Call(case, sample, device).fails(text, source)


WHOLE = {tp.int64: [-9, -7, -2, -1, 1, 2, 3, 7], tp.int8: [-100, -3, 1, 5, 100, 127],
         tp.int16: [-30000, -300, -7, 1, 2, 181, 32767],
         tp.uint8: [1, 2, 100, 200, 255]}  # fmt: skip
"""Without 0, which integers cannot be divided by. The lcm of some of them does not fit."""


def with_whole_reference() -> Iterator[Case]:
    for case in cases(lambda dtype: dtype in WHOLE):
        row = case.public.row
        plain = row is not None and row.family.name in ELEMENTWISE and not case.public.namespace
        if plain and reference_of(case.public) is not None and case.public.name != "lcm":
            yield case


def _is_defined(case: Case, value: int) -> bool:
    """Whether the function is defined for a whole number; the samples' domain says more than that
    where integers are computed with as they are.
    """
    exact = case.public.row.dtype.compute(case.dtype) is case.dtype
    if case.public.domain is None or (exact and "shift" not in case.public.name):
        return True
    low, high = case.public.domain
    return low <= value <= high


@pytest.mark.cases(make=with_whole_reference)
def test_signs_and_overflow_of_integers(case: Case, device: str) -> None:
    values = np.array([v for v in WHOLE[case.dtype] if _is_defined(case, v)])
    arrays = [values]
    if case.public.row.family.name != "UNARY":
        arrays = [np.repeat(values, len(values)), np.tile(values, len(values))]
    if case.public.name in ("pow", "float_power"):
        arrays[1] = np.abs(arrays[1]) % 4  # no negative powers of integers
    there = Sample(tuple(tp.tensor(a, dtype=case.dtype) for a in arrays), {})
    sample = there.map(lambda x: x.to(device))
    want, source = expected(case.public, there)
    problem = compare(run(case.public, sample, device), want, case.dtype)
    text = f"{problem}; the inputs are pairs of {values.tolist()}"
    assert problem is None, Call(case, sample, device).fails(text, source)


# --- promotion -----------------------------------------------------------------------------------


def binary() -> Iterator[Case]:
    return first_cases(lambda p: p.row is not None and p.row.family.name == "BINARY")


@pytest.mark.cases(make=binary)
def test_two_types_are_promoted(case: Case, device: str) -> None:
    public, row = case.public, case.public.row
    if public.call is not row.family.public(row):
        return
    for one, two in _pairs(device):
        common = promote(one, two)
        compute = row.dtype.compute(common)
        if compute is None:
            continue
        args = [tp.ones(2, dtype=dtype, device=device) for dtype in (one, two)]
        got = public.call(*args)
        rule = row.dtype.result(compute)
        text = f"{public.qualname}({one}, {two}): expected {rule}, got {got.dtype}"
        assert got.dtype is rule, f"{text}; computed by: {kernel_of(public, device)}"


def _pairs(device: str) -> Iterator[tuple[DType, DType]]:
    narrow = (tp.bool, tp.uint8, tp.int8, tp.int16, tp.int64, tp.float16, tp.float32, tp.complex64)
    there = [dtype for dtype in narrow if supports(device, dtype)]
    for i, one in enumerate(there):
        for two in there[i + 1 :]:
            if supports(device, promote(one, two)):
                yield one, two


def test_the_whole_promotion_table_of_add(device: str) -> None:
    for one in dtypes_of(device):
        for two in dtypes_of(device):
            rule = promote(one, two)
            if not supports(device, rule):
                continue
            x, y = tp.ones(2, dtype=one, device=device), tp.ones((), dtype=two, device=device)
            got = x + y
            assert got.dtype is rule, f"{one} + {two}: expected {rule}, got {got.dtype}"
            want = [True, True] if rule is tp.bool else [2, 2]
            assert got.tolist() == want, f"{one} + {two}: expected {want}, got {got.tolist()}"


@pytest.mark.parametrize(("number", "floor"), [(True, tp.bool), (2, tp.int64), (1.5, tp.float32)])
def test_python_numbers_are_weak(device: str, number: Any, floor: Any) -> None:
    for dtype in dtypes_of(device):
        order = ("bool", "int", "float", "complex")
        kind = "int" if dtype.kind == "uint" else dtype.kind
        rule = dtype if order.index(kind) >= order.index(floor.kind) else floor
        for got in (tp.ones(2, dtype=dtype, device=device) * number,
                    number * tp.ones(2, dtype=dtype, device=device)):  # fmt: skip
            assert got.dtype is rule, f"{dtype} * {number}: expected {rule}, got {got.dtype}"


# --- other ways to call --------------------------------------------------------------------------


def takes_out() -> Iterator[Case]:
    return first_cases(lambda p: not p.random and "out" in inspect.signature(p.call).parameters)


@pytest.mark.cases(make=takes_out)
def test_out_receives_the_result(case: Case, device: str) -> None:
    for sample, _ in both(case, device):
        want = run(case.public, sample, device)
        if type(want) is not tp.Tensor:
            continue
        call = Call(case, sample, device)
        out = tp.empty(tuple(want.shape), dtype=want.dtype, device=device)
        kwargs = {**sample.kwargs, "out": out}
        got = run(case.public, Sample(sample.args, kwargs), device)
        assert got is out, call.fails("expected out= itself as the result")
        problem = compare(out, array_of(want), want.dtype)
        assert problem is None, call.fails(f"out=: {problem}")


@pytest.mark.cases(make=takes_out)
def test_out_is_resized(case: Case, device: str) -> None:
    sample = next(both(case, device))[0]
    want = run(case.public, sample, device)
    if type(want) is tp.Tensor and want.numel():
        out = tp.empty((0,), dtype=want.dtype, device=device)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # empty ones may be resized silently
            run(case.public, Sample(sample.args, {**sample.kwargs, "out": out}), device)
        assert tuple(out.shape) == tuple(want.shape), Call(case, sample, device).fails("out=")


@pytest.mark.cases(make=takes_out)
def test_out_of_a_lesser_type_is_refused(case: Case, device: str) -> None:
    sample = next(both(case, device))[0]
    want = run(case.public, sample, device)
    if type(want) is not tp.Tensor or want.dtype is tp.bool or not sample.tensors():
        return  # what makes tensors from nothing takes the type of out=
    out = tp.zeros(tuple(want.shape), dtype=tp.bool, device=device)
    with pytest.raises((RuntimeError, TypeError)) as caught:
        run(case.public, Sample(sample.args, {**sample.kwargs, "out": out}), device)
    assert "bool" in str(caught.value)
    assert not array_of(out).any()


def methods() -> Iterator[Case]:
    return first_cases(lambda p: p.method and not p.random and p.namespace in ("", "Tensor"))


@pytest.mark.cases(make=methods)
def test_methods_equal_functions(case: Case, device: str) -> None:
    for name in (case.public.name, *case.public.aliases):
        assert hasattr(tp.Tensor, name), f"expected a method Tensor.{name}"
    for sample, _ in both(case, device):
        if sample.args and isinstance(sample.args[0], tp.Tensor):
            fresh = sample.map(lambda x: x.clone())
            want = run(case.public, fresh, device)
            got = getattr(sample.args[0], case.public.name)(*sample.args[1:], **sample.kwargs)
            problem = compare(got, _arrays(want), case.dtype)
            assert problem is None, Call(case, sample, device).fails(f"as a method: {problem}")


def _arrays(value: Any) -> Any:
    if isinstance(value, tp.Tensor):
        return array_of(value)
    if type(value) is list or (isinstance(value, tuple) and not isinstance(value, tp.Size)):
        return [_arrays(item) for item in value]
    return value


def test_aliases_are_the_same_function() -> None:
    for public in FUNCTIONS.values():
        if public.namespace == "Tensor":
            continue
        space: Any = tp
        for part in public.namespace.split(".") if public.namespace else ():
            space = getattr(space, part)
        for alias in (public.name, *public.aliases):
            got = getattr(space, alias, None)
            assert got is public.call, f"tp.{public.namespace}.{alias}: got {got!r}"
