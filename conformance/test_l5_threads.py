"""Several threads compute at once: with tensors of their own, with the same ones, and with parts of
one; modes and defaults belong to one thread.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.conformance.checks import few
from tensorplug.conformance.reference import Call, array_of, compare
from tensorplug.conformance.samples import Case, Sample, first_cases, samples_of

pytestmark = [pytest.mark.needs("threads"), pytest.mark.shared]

REFUSALS = (RuntimeError, TypeError, ValueError, IndexError)


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What ``work(0)``, ``work(1)``, ... give, each in a thread; they take turns all the time."""
    found: list[Any] = [None] * count
    errors: list[BaseException] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            start.wait()
            found[number] = work(number)
        except BaseException as error:  # noqa: BLE001  raised again below, in the test's thread
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    if errors:
        raise errors[0]
    return found


def settled(case: Case, sample: Sample, device: str) -> Any:
    """What is determined of a result."""
    with tp.device(device):
        return case.public.tested(*sample.args, **sample.kwargs)


def fixed() -> Iterator[Case]:
    """Functions whose results are functions of their arguments."""
    return first_cases(
        lambda p: not p.random and not p.name.endswith("_") and "empty" not in p.name
    )


def arrays(value: Any) -> Any:
    if isinstance(value, tp.Tensor):
        return array_of(value)
    if type(value) in (list, tuple) or hasattr(value, "_fields"):
        return [arrays(item) for item in value]
    return value


@pytest.mark.cases(make=fixed)
def test_functions_in_several_threads(case: Case, device: str, thorough: bool) -> None:
    """Each thread has other values of the same shapes."""
    samples = [
        few(device, samples_of(case.public, device, case.dtype, seed), thorough, one_of=3)[-2:]
        for seed in (0, 1, 2)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wants = [[arrays(settled(case, sample, device)) for sample in own] for own in samples]
        gots = at_once(3, lambda i: [settled(case, sample, device) for sample in samples[i]])
    for own, want, got in zip(samples, wants, gots, strict=True):
        for sample, one, other in zip(own, want, got, strict=True):
            problem = compare(other, one, case.dtype)
            text = Call(case, sample, device).fails(f"in one of three threads: {problem}")
            assert problem is None, text


# --- many calls in a row --------------------------------------------------------------------------


def chain(x: tp.Tensor, number: int) -> tp.Tensor:
    """A few kinds of kernels after each other; the result is twice 63 * (2 * number + 1)."""
    y = x * 0 + number
    y = tp.where(y > -1, y + y, x)
    y.add_(1)
    return tp.cat([y, y])[1:-1].reshape(2, -1).sum(1)


def test_threads_with_tensors_of_their_own(device: str) -> None:
    def work(number: int) -> list[float]:
        x = tp.ones(64, device=device)
        return [chain(x, number + step).tolist() for step in range(8)]

    for number, got in enumerate(at_once(8, work)):
        for step, found in enumerate(got):
            want = [63 * (2.0 * (number + step) + 1)] * 2
            assert found == want, f"thread {number}, step {step} on {device}: {found} != {want}"


def test_threads_read_one_tensor(device: str) -> None:
    a = np.arange(600.0, dtype=np.float32).reshape(20, 30)
    x = tp.tensor(a, device=device)
    views = [x.T, x[::2], x[:, ::-1], x[3:7, 5:], x.view(600), x[None], x.diagonal(), x[-1]]
    models = [a.T, a[::2], a[:, ::-1], a[3:7, 5:], a.reshape(600), a[None], a.diagonal(), a[-1]]
    gots = at_once(8, lambda i: [(views[i] + i).cpu().numpy() for _ in range(5)])
    for i, (model, got) in enumerate(zip(models, gots, strict=True)):
        for found in got:
            assert np.array_equal(found, model + i), f"view {i} on {device}: got {found}"


def test_threads_that_write_to_parts_of_one_tensor_lose_nothing(device: str) -> None:
    """Parts that do not overlap: rows, columns, single elements."""
    parts: dict[str, Callable[[tp.Tensor, int], tp.Tensor]] = {
        "rows": lambda x, i: x[i],
        "columns": lambda x, i: x[:, i],
        "steps": lambda x, i: x.view(-1)[i::8],
        "elements": lambda x, i: x[i, i],
        "reversed rows": lambda x, i: x[i, ::-1],
    }
    for name, part in parts.items():
        x = tp.zeros((8, 8), device=device)
        view = [part(x, i) for i in range(8)]

        def work(i: int, view: list[tp.Tensor] = view) -> None:
            for step in range(10):
                if step % 3 == 2:
                    view[i][...] = view[i] + (i + 1)
                else:
                    view[i].add_(i + 1)

        at_once(8, work)
        a = np.zeros((8, 8), np.float32)
        for i in range(8):
            model = {"rows": a[i], "columns": a[:, i], "steps": a.reshape(-1)[i::8],
                     "elements": a[i, i : i + 1], "reversed rows": a[i, ::-1]}[name]  # fmt: skip
            model[...] = 10 * (i + 1)
        assert x.tolist() == a.tolist(), f"{name} on {device}: expected {a}, got {x.cpu().numpy()}"


def test_threads_make_and_drop_tensors(device: str) -> None:
    """Memory that one thread gave back is not that of another."""

    def work(number: int) -> list[bool]:
        kept = []
        for step in range(12):
            x = tp.full((33 + step % 3,), float(number * 100 + step), device=device)
            kept.append((x * 1, number * 100 + step))
            del kept[:-4]
        return [bool((x == value).all().item()) for x, value in kept]

    for number, found in enumerate(at_once(6, work)):
        assert all(found), f"thread {number} on {device}: values of another tensor"


def test_gradients_in_several_threads(device: str) -> None:
    def work(number: int) -> list[list[float]]:
        found = []
        for _ in range(3):
            x = tp.full((5,), float(number + 1), device=device, requires_grad=True)
            (x * x * x).sum().backward()
            found.append(x.grad.tolist())
        return found

    for number, got in enumerate(at_once(6, work)):
        want = [[3.0 * (number + 1) ** 2] * 5] * 3
        assert got == want, f"thread {number} on {device}: expected {want}, got {got}"


# --- what belongs to one thread -------------------------------------------------------------------


def test_modes_end_where_they_began(device: str) -> None:
    x = tp.ones(2, device=device, requires_grad=True)

    def work(number: int) -> list[bool]:
        found = []
        for _ in range(10):
            if number % 2:
                with tp.no_grad():
                    found.append((x * 2).requires_grad)
            else:
                found.append(not (x * 2).requires_grad)
        return found

    for number, got in enumerate(at_once(6, work)):
        assert not any(got), f"thread {number} on {device} saw the mode of another: {got}"


def test_the_default_device_of_a_block_is_that_of_its_thread(device: str) -> None:
    def work(number: int) -> set[str]:
        if number % 2:
            with tp.device(device):
                return {str(tp.ones(1).device) for _ in range(10)}
        with tp.device("cpu"):
            return {str(tp.ones(1).device) for _ in range(10)}

    for number, got in enumerate(at_once(6, work)):
        want = {device if number % 2 else "cpu"}
        assert got == want, f"thread {number}: expected tensors on {want}, got {got}"


def test_generators_of_several_threads_are_independent(device: str) -> None:
    def draw(number: int) -> list[list[float]]:
        generator = tp.Generator(device).manual_seed(number)
        return [tp.rand(5, generator=generator, device=device).tolist() for _ in range(4)]

    wants = [draw(number) for number in range(6)]
    assert at_once(6, draw) == wants, f"{device}: other numbers in threads than one by one"


# --- errors ---------------------------------------------------------------------------------------

WRONG: dict[str, Callable[[tp.Tensor], Any]] = {
    "shapes": lambda x: x + x[:2],
    "index": lambda x: x[9],
    "dimension": lambda x: x.sum(3),
    "in-place": lambda x: x.add_(x.view(1, 3).expand(2, 3)),
    "view": lambda x: x.view(2, 2),
}


@pytest.mark.parametrize("kind", WRONG)
def test_an_error_is_raised_in_its_own_thread(device: str, kind: str) -> None:
    def work(number: int) -> list[str]:
        x = tp.full((3,), float(number), device=device)
        found = []
        for _ in range(3):
            if number % 2:
                with pytest.raises(REFUSALS) as caught:
                    WRONG[kind](x)
                found.append(str(caught.value))
            found.append(str((x + 1).tolist()))
        return found

    for number, got in enumerate(at_once(4, work)):
        sums = [text for text in got if text.startswith("[")]
        assert sums == [str([number + 1.0] * 3)] * 3, f"thread {number} on {device}: {got}"


def test_an_error_in_a_thread_is_no_error_elsewhere(device: str) -> None:
    def work(number: int) -> float:
        x = tp.arange(4, device=device)
        if number == 0:
            with pytest.raises(IndexError):
                x[tp.tensor([0, 7], device=device)].cpu()
        return float(x.sum().item())

    assert at_once(4, work) == [6.0] * 4
