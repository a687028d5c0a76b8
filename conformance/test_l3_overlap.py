"""Writes whose sources overlap their targets: everything is read before anything is written, or the
call is refused and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.checks import REFUSALS, error_of, few
from tensorplug.conformance.reference import Call, array_of, compare
from tensorplug.conformance.samples import Case, Sample, dtypes_of, first_cases, samples_of
from tensorplug.conformance.test_l3_inplace import fits, method_of
from tensorplug.conformance.test_l3_layouts import identical

pytestmark = [pytest.mark.needs("in_place"), pytest.mark.shared]

# --- in-place functions ---------------------------------------------------------------------------


def with_operands() -> Iterator[Case]:
    """In-place methods that take more than one tensor."""
    for case in first_cases(lambda p: p.inplace and p.namespace in ("", "Tensor")):
        if any(len(s.tensors()) > 1 for s in samples_of(case.public, "cpu", case.dtype)):
            yield case


def itself(x: tp.Tensor, y: tp.Tensor) -> tp.Tensor | None:
    return x if x.shape == y.shape else None


def turned_round(x: tp.Tensor, y: tp.Tensor) -> tp.Tensor | None:
    return x[::-1] if x.shape == y.shape and x.ndim else None


def first_row(x: tp.Tensor, y: tp.Tensor) -> tp.Tensor | None:
    return x[0] if x.ndim > 1 and y.ndim and x.shape[-1] == y.shape[-1] else None


def last_row(x: tp.Tensor, y: tp.Tensor) -> tp.Tensor | None:
    return x[-1] if x.ndim > 1 and y.ndim and x.shape[-1] == y.shape[-1] else None


def first_column(x: tp.Tensor, y: tp.Tensor) -> tp.Tensor | None:
    return x[..., :1] if x.ndim > 1 and y.ndim and x.shape == y.shape else None


def own_element(x: tp.Tensor, y: tp.Tensor) -> tp.Tensor | None:
    return x[(0,) * x.ndim] if x.ndim and y.ndim < 2 else None


# A loop by rows or columns reads the first again after it was written, backwards the last.
SOURCES: dict[str, Callable[[tp.Tensor, tp.Tensor], tp.Tensor | None]] = {
    f.__name__: f for f in (itself, turned_round, first_row, last_row, first_column, own_element)
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.cases(make=with_operands)
def test_a_tensor_is_its_own_operand(case: Case, device: str, source: str) -> None:
    """Operands of the type of the target are replaced by parts of the target."""
    method = method_of(case.public)
    for sample in few(device, samples_of(case.public, device, case.dtype), False, one_of=3):
        if not isinstance(sample.args[0], tp.Tensor) or not sample.args[0].numel():
            continue
        x = sample.args[0].detach().clone()
        rest = [_own(arg, x, source) for arg in sample.args[1:]]
        if all(new is old for new, old in zip(rest, sample.args[1:], strict=True)):
            continue
        apart = Sample((x, *rest), sample.kwargs).map(lambda t: t.clone())
        try:
            want = case.public.call(*apart.args, **apart.kwargs)
        except REFUSALS:  # the part has a shape that this function does not take
            continue
        if not isinstance(want, tp.Tensor) or not fits(want, x):
            continue
        _check_own(Call(case, apart, device, f"Tensor.{case.public.name}_"), method, x, rest, want)


def _own(arg: Any, x: tp.Tensor, source: str) -> Any:
    if not isinstance(arg, tp.Tensor) or arg.dtype is not x.dtype:
        return arg
    found = SOURCES[source](x, arg)
    return arg if found is None else found


def _check_own(call: Call, method: Any, x: tp.Tensor, rest: list[Any], want: tp.Tensor) -> None:
    before, version = array_of(x), x._version
    error = error_of(lambda: method(x, *rest, **call.sample.kwargs))
    if error is not None:
        row = call.case.public.row
        assert row is None or not row.family.elementwise, call.fails(f"refused: {error!r}")
        same = identical(before, array_of(x)), x._version
        assert same == (True, version), call.fails("refused, but the tensor was modified")
    else:
        problem = compare(x, array_of(want.to(x.dtype)), call.case.dtype)
        text = f"with operands that are parts of the tensor itself: {problem}"
        assert problem is None, call.fails(text, "the op out of place")


# --- assignment -----------------------------------------------------------------------------------

Write = tuple[Callable[[Any], Any], Callable[[Any], Any]]

PAIRS: dict[str, Write] = {
    "forwards": (lambda x: x[1:], lambda x: x[:-1]),
    "backwards": (lambda x: x[:-1], lambda x: x[1:]),
    "far": (lambda x: x[2:], lambda x: x[:-2]),
    "columns": (lambda x: x[:, 1:], lambda x: x[:, :-1]),
    "both": (lambda x: x[1:, :-1], lambda x: x[:-1, 1:]),
    "reversed": (lambda x: x, lambda x: x[::-1]),
    "reversed columns": (lambda x: x[:, ::-1], lambda x: x),
    "both reversed": (lambda x: x[::-1, ::-1], lambda x: x[::-1]),
    "transposed": (lambda x: x, lambda x: x.T),
    "part transposed": (lambda x: x[1:, :2].T, lambda x: x[:2, 1:]),
    "steps": (lambda x: x[::2], lambda x: x[: (len(x) + 1) // 2]),
    "steps reversed": (lambda x: x[::-2], lambda x: x[len(x) // 2 :]),
    "own row": (lambda x: x, lambda x: x[1]),
    "own column": (lambda x: x, lambda x: x[:, 2:3]),
    "own element": (lambda x: x, lambda x: x[1, 1]),
    "next row": (lambda x: x[0], lambda x: x[1]),
    "row by column": (lambda x: x[1], lambda x: x[:, 1]),
}
"""Two overlapping views of a square matrix: where to write, and what."""

WAYS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "copy_": (lambda x, y: x.copy_(y), lambda a, b: b),
    "setitem": (lambda x, y: x.__setitem__(..., y), lambda a, b: b),
    "add_": (lambda x, y: x.add_(y), lambda a, b: a + b),
    "of a result": (lambda x, y: x.copy_(y - x), lambda a, b: b - a),
    "out=": (lambda x, y: tp.add(y.expand(x.shape), y, out=x), lambda a, b: b + b),
    "where": (lambda x, y: x.copy_(tp.where(y > 2, y, x)), lambda a, b: np.where(b > 2, b, a)),
}


def sizes_of(device: str) -> tuple[int, ...]:
    """Sides of the matrices: small, and beyond what is copied at once."""
    return (5,) if tp.device(device).backend.compiles else (3, 8, 33)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("pair", PAIRS)
def test_overlapping_views_are_read_before_they_are_written(
    device: str, pair: str, way: str
) -> None:
    target, source = PAIRS[pair]
    write, model = WAYS[way]
    for dtype in (tp.float32, tp.uint8):
        for side in sizes_of(device):
            a = (np.arange(side * side) % 101).reshape(side, side).astype(dtype.numpy)
            x = tp.tensor(a, device=device)
            write(target(x), source(x))
            want = model(target(a).copy(), source(a).copy())
            target(a)[...] = want
            text = f"{way} between overlapping views ({pair}) of a {a.shape} {dtype} on {device}"
            assert x.dtype is dtype, f"{text}: the type became {x.dtype}"
            wrong = np.argwhere(x.cpu().numpy() != a)
            assert not len(wrong), (
                f"{text}: expected {a[tuple(wrong[0])]} at {tuple(wrong[0])}, got "
                f"{x[tuple(int(i) for i in wrong[0])].item()} ({len(wrong)} elements are wrong)"
            )


def test_rows_of_any_length_move_within_themselves(device: str) -> None:
    """Both ways, by one element and by many, forwards and backwards."""
    for size in (33,) if tp.device(device).backend.compiles else (2, 9, 33, 1025):
        for by in {1, -1, size // 2, -(size // 2)}:
            for step in (1, -1):
                a = np.arange(size)
                x = tp.tensor(a, device=device)
                target, source = (slice(by, None), slice(None, -by))
                if by < 0:
                    target, source = slice(None, by), slice(-by, None)
                x[::step][target].copy_(x[::step][source])
                a[::step][target] = a[::step][source].copy()
                text = f"arange({size})[::{step}] moved by {by} on {device}"
                assert x.tolist() == a.tolist(), f"{text}: expected {a}, got {x.tolist()}"
                x[target] = x[::step][source]
                a[target] = a[::step][source].copy()
                assert x.tolist() == a.tolist(), f"{text}, turned: expected {a}, got {x.tolist()}"


def test_casting_copies_between_views_of_other_types(device: str) -> None:
    """The same bytes seen as another type are the source."""
    for one, two in ((tp.float32, tp.int32), (tp.int64, tp.float64), (tp.int32, tp.uint8)):
        if not {one, two} <= set(dtypes_of(device)):
            continue
        a = np.arange(8).astype(one.numpy)
        x = tp.tensor(a, device=device)
        size = one.itemsize // two.itemsize * 4
        x[:4].copy_(x.view(two)[size : size + 4])
        a[:4] = a.view(two.numpy)[size : size + 4].copy()
        assert x.tolist() == a.tolist(), f"{one} from {two}: expected {a}, got {x.tolist()}"


def test_indices_may_overlap_what_is_written(device: str) -> None:
    x = tp.tensor([3, 0, 2, 1], device=device)
    x[x] = x[::-1]
    a = np.array([3, 0, 2, 1])
    a[a.copy()] = a[::-1].copy()
    assert x.tolist() == a.tolist(), f"x[x] = x[::-1]: expected {a}, got {x.tolist()}"
    x = tp.tensor([3, 0, 2, 1], device=device)
    x.index_copy_(0, x.clone(), x[[0, 0, 1, 1]])
    assert x.tolist() == [3, 0, 0, 3]
    x = tp.tensor([5.0, 1.0, 4.0, 2.0], device=device)
    x[x > 3] = x[1::2]
    assert x.tolist() == [1, 1, 2, 2]
    x.masked_fill_(x == x[0], 9)
    assert x.tolist() == [9, 9, 2, 2]


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.cases(make=with_operands)
def test_an_operand_that_is_larger_than_the_tensor_is_refused(case: Case, device: str) -> None:
    """A result that does not fit is not written, not even in part."""
    row = case.public.row
    if row is None or row.family.name not in ("BINARY", "COMPARE", "TERNARY"):
        return
    count = len(row.inputs) - 1
    if case.public.call is not row.family.public(row):
        return
    sample = samples_of(case.public, device, case.dtype)[0]
    x, wide = (tp.ones(shape, dtype=case.dtype, device=device) for shape in ((3,), (2, 3)))
    before, version = array_of(x), x._version
    args = (*[wide] * count, *sample.args[count + 1 :])
    call = Call(case, Sample((x, *args), sample.kwargs), device, f"Tensor.{case.public.name}_")
    with pytest.raises(RuntimeError) as caught:
        method_of(case.public)(x, *args, **sample.kwargs)
    same = identical(before, array_of(x)), x._version
    assert same == (True, version), call.fails(f"{caught.value!r}, but the tensor was modified")
    assert tp.ones(2, device=device).sum().item() == 2, call.fails(f"{device} is unusable")


WRONG: dict[str, Callable[[tp.Tensor], Any]] = {
    "copy_ of another shape": lambda x: x.copy_(x[:2, :2]),
    "copy_ of a larger one": lambda x: x[0].copy_(x),
    "setitem of another shape": lambda x: x.__setitem__(slice(1, None), x),
    "setitem into an expanded": lambda x: x[:1].expand(4, 4).__setitem__(slice(2), x[0]),
    "fill_ of an expanded": lambda x: x[:, :1].expand(4, 4).fill_(1.0),
    "zero_ of an expanded": lambda x: x[0, 0].expand(3).zero_(),
    "copy_ into an expanded": lambda x: x[1:2].expand(4, 4).copy_(x),
    "add_ to an expanded": lambda x: x[1:2].expand(4, 4).add_(x),
    "out= expanded": lambda x: tp.add(x, x, out=x[1:2].expand(4, 4)),
    "an index beyond": lambda x: x.__setitem__((tp.tensor([0, 4], device=x.device), 0), 5.0),
    "an index beyond, below": lambda x: x.index_copy_(
        0, tp.tensor([0, -5], device=x.device), x[:2]),
    "indices of another shape": lambda x: x.__setitem__(
        (tp.tensor([0, 1], device=x.device), tp.tensor([0, 1, 2], device=x.device)), 5.0),
    "a mask of another shape": lambda x: x.__setitem__(x[:3] > 0, 5.0),
    "too few values for a mask": lambda x: x.__setitem__(x > 3, x[0, :3]),
    "a complex value": lambda x: x.add_(1j),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_a_write_that_cannot_be_is_refused_and_writes_nothing(device: str, kind: str) -> None:
    for laid in (lambda x: x, lambda x: x.T, lambda x: x[::-1]):
        base = tp.tensor(np.arange(16.0).reshape(4, 4), dtype=tp.float32, device=device)
        with pytest.raises(REFUSALS) as caught:
            WRONG[kind](laid(base))
        want = np.arange(16.0).reshape(4, 4).tolist()
        assert base.tolist() == want, f"{kind} on {device}: {caught.value!r}, but wrote"
        assert (base + 1).sum().item() == 136, f"{kind}: {device} is unusable afterwards"
