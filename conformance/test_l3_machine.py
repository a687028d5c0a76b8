"""Random programs of views and writes: after each step every live tensor has the values that the
same program gives NumPy arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import tensorplug as tp
from tensorplug.conformance.reference import same
from tensorplug.conformance.samples import other_devices, supports

SHAPES = [(), (1,), (4,), (2, 3), (3, 2, 2), (1, 4), (2, 0)]
DTYPES = [tp.float32, tp.int64, tp.uint8]
LIVE = 6
PICK = st.integers(0, 10**6)
NUMBERS = st.sampled_from([-2, -1, 0, 1, 2, 3])


class Views(RuleBasedStateMachine):
    """Tensors on one device beside NumPy arrays that alias in the same way."""

    device = "cpu"

    def __init__(self) -> None:
        super().__init__()
        self.live: list[tuple[tp.Tensor, np.ndarray]] = []
        self.program: list[str] = []

    def keep(self, x: tp.Tensor, a: np.ndarray, how: str) -> None:
        self.program.append(how)
        self.live.append((x, np.asarray(a)))
        if len(self.live) > LIVE:
            del self.live[0]

    def told(self) -> str:
        return f"after {', '.join(self.program)} on {self.device}"

    def pick(self, which: int) -> tuple[tp.Tensor, np.ndarray]:
        return self.live[which % len(self.live)]

    # --- rules ------------------------------------------------------------------------------------
    @initialize(shape=st.sampled_from(SHAPES), dtype=st.sampled_from(DTYPES))
    def first(self, shape: Any, dtype: Any) -> None:
        self.create(shape, dtype)

    @rule(shape=st.sampled_from(SHAPES), dtype=st.sampled_from(DTYPES))
    def create(self, shape: Any, dtype: Any) -> None:
        count = int(np.prod(shape, dtype=int))
        a = np.arange(1, count + 1, dtype=dtype.numpy).reshape(shape)
        self.keep(tp.tensor(a, device=self.device), a, f"create {shape} {dtype}")

    @rule(which=PICK, start=st.integers(-3, 3), stop=st.integers(-3, 4),
          step=st.sampled_from([1, 1, 2, -1, -2]), dim=PICK)  # fmt: skip
    def slice(self, which: int, start: int, stop: int, step: int, dim: int) -> None:
        x, a = self.pick(which)
        if a.ndim:
            index = (slice(None),) * (dim % a.ndim) + (slice(start, stop, step),)
            self.keep(x[index], a[index], f"[{index}]")

    @rule(which=PICK, at=PICK)
    def select(self, which: int, at: int) -> None:
        x, a = self.pick(which)
        if a.ndim and a.shape[0]:
            at %= a.shape[0]
            self.keep(x[at], a[at, ...], f"[{at}]")

    @rule(which=PICK, seed=PICK)
    def permute(self, which: int, seed: int) -> None:
        x, a = self.pick(which)
        dims = tuple(int(d) for d in np.random.default_rng(seed).permutation(a.ndim))
        self.keep(x.permute(dims), a.transpose(dims), f"permute {dims}")

    @rule(which=PICK, size=st.integers(1, 3))
    def expand(self, which: int, size: int) -> None:
        x, a = self.pick(which)
        shape = (size, *a.shape)
        if a.size * size <= 64:
            wide = np.lib.stride_tricks.as_strided(a, shape, (0, *a.strides))
            self.keep(x.expand(shape), wide, f"expand {shape}")

    @rule(which=PICK)
    def flat(self, which: int) -> None:
        x, a = self.pick(which)
        if a.flags.c_contiguous:
            self.keep(x.view(-1), a.reshape(-1), "view -1")

    @rule(which=PICK)
    def new_dimension(self, which: int) -> None:
        x, a = self.pick(which)
        if a.ndim < 5:
            self.keep(x[..., None], a[..., None], "[..., None]")

    @rule(which=PICK, offset=st.integers(-1, 1))
    def diagonal(self, which: int, offset: int) -> None:
        x, a = self.pick(which)
        if a.ndim > 1:
            # NumPy's own diagonals cannot be written to.
            part = a[max(-offset, 0) :, ..., max(offset, 0) :]
            shape = (*part.shape[1:-1], min(part.shape[0], part.shape[-1]))
            strides = (*part.strides[1:-1], part.strides[0] + part.strides[-1])
            found = np.lib.stride_tricks.as_strided(part, shape, strides)
            self.keep(x.diagonal(offset, 0, -1), found, f"diagonal {offset}")

    @rule(which=PICK, size=st.integers(1, 2), step=st.integers(1, 2))
    def windows(self, which: int, size: int, step: int) -> None:
        x, a = self.pick(which)
        if a.ndim and size <= a.shape[0] and a.ndim < 5:
            count = (a.shape[0] - size) // step + 1
            shape = (count, *a.shape[1:], size)
            strides = (a.strides[0] * step, *a.strides[1:], a.strides[0])
            found = np.lib.stride_tricks.as_strided(a, shape, strides)
            self.keep(x.unfold(0, size, step), found, f"unfold 0, {size}, {step}")

    @rule(which=PICK)
    def detach(self, which: int) -> None:
        x, a = self.pick(which)
        self.keep(x.detach(), a[...], "detach")

    @rule(which=PICK)
    def there_and_back(self, which: int) -> None:
        x, a = self.pick(which)
        self.keep(x.cpu().to(self.device, copy=True).contiguous(), a.copy("C"), "cpu and back")

    @rule(which=PICK, where=PICK)
    def by_way_of_another_device(self, which: int, where: int) -> None:
        """A copy there that is written to, and one back: nothing of it reaches the first."""
        x, a = self.pick(which)
        others = [name for name in other_devices(self.device) if supports(name, x.dtype)]
        if others:
            other = others[where % len(others)]
            there = x.to(other).contiguous()
            back = there.to(self.device).contiguous()
            there.zero_()
            self.keep(back, a.copy("C"), f"to {other} and back")

    @rule(which=PICK)
    def to_where_it_is(self, which: int) -> None:
        """Neither a copy nor a new tensor."""
        x, a = self.pick(which)
        same_one = x.to(self.device)
        assert same_one is x, f"{self.told()}: to({self.device!r}) is another tensor"
        self.keep(same_one, a, "to the same device")

    @rule(which=PICK, how=st.sampled_from(["flip", "contiguous, cloned", "reshape of a clone"]))
    def copies(self, which: int, how: str) -> None:
        x, a = self.pick(which)
        if how == "flip":
            self.keep(
                x.flip(tuple(range(a.ndim))).contiguous(),
                a[(slice(None, None, -1),) * a.ndim].copy(),
                how,
            )
        elif how == "contiguous, cloned":
            self.keep(x.clone().contiguous(), a.copy("C"), how)
        else:
            self.keep(x.clone().reshape(-1), a.copy("C").reshape(-1), how)

    @rule(which=PICK)
    def clone(self, which: int) -> None:
        x, a = self.pick(which)
        self.keep(x.clone(), a.copy("C"), "clone")

    @rule(which=PICK)
    def compute(self, which: int) -> None:
        x, a = self.pick(which)
        # How results lie in memory is up to the library.
        self.keep((x + 1).contiguous(), (a + np.asarray(1, a.dtype)).copy("C"), "x + 1")

    @rule(which=PICK, number=NUMBERS, method=st.sampled_from(["add_", "mul_", "fill_", "sub_"]))
    def write_number(self, which: int, number: int, method: str) -> None:
        x, a = self.pick(which)
        if a.dtype == np.uint8:
            number = abs(number)
        if self.expanded(a):
            with pytest.raises(RuntimeError, match=method):
                getattr(x, method)(number)
            return
        if self.overlaps(a):
            return
        self.program.append(f"{method}({number})")
        assert getattr(x, method)(number) is x
        value = np.asarray(number, a.dtype)
        with np.errstate(all="ignore"):
            new = {"add_": a + value, "mul_": a * value, "sub_": a - value, "fill_": value}[method]
        a[...] = new

    @precondition(lambda self: len(self.live) > 1)
    @rule(
        to=PICK, source=PICK, how=st.sampled_from(["copy_", "copy_ from afar", "add_", "setitem"])
    )
    def write_tensor(self, to: int, source: int, how: str) -> None:
        (x, a), (y, b) = self.pick(to), self.pick(source)
        if how == "copy_ from afar":
            y = y.to(other_devices(self.device)[0])
        if self.overlaps(a) or (how == "add_" and a.dtype != b.dtype):
            return
        try:
            whole = np.broadcast_to(b, a.shape).copy()  # read before anything is written
        except ValueError:
            return
        self.program.append(how)
        if how == "add_":
            x.add_(y)
            whole = a + whole
        elif how.startswith("copy_"):
            x.copy_(y)
        else:
            x[...] = y
        with np.errstate(all="ignore"):
            a[...] = whole.astype(a.dtype)

    @rule(which=PICK, number=NUMBERS)
    def write_where(self, which: int, number: int) -> None:
        """Through a mask, which is read before anything is written."""
        x, a = self.pick(which)
        if self.overlaps(a):
            return
        self.program.append(f"masked_fill_(x > 1, {abs(number)})")
        x.masked_fill_(x > 1, abs(number))
        a[a > 1] = abs(number)

    @rule(which=PICK, at=PICK, number=NUMBERS)
    def write_rows(self, which: int, at: int, number: int) -> None:
        """Through indices."""
        x, a = self.pick(which)
        if self.overlaps(a) or not a.ndim or not a.shape[0]:
            return
        rows = [at % a.shape[0], -1]
        self.program.append(f"x[{rows}] = {abs(number)}")
        x[tp.tensor(rows, device=self.device)] = abs(number)
        a[rows] = abs(number)

    @rule(which=PICK, way=st.sampled_from(["rows", "out="]))
    def write_what_overlaps(self, which: int, way: str) -> None:
        """The source is the target in another order."""
        x, a = self.pick(which)
        if self.overlaps(a) or not a.ndim:
            return
        self.program.append(f"reversed {way}")
        if way == "rows":
            x.copy_(x[::-1])
            a[...] = a[::-1].copy()
        else:
            tp.add(x[::-1], x, out=x)
            a[...] = a[::-1] + a

    @rule(which=PICK)
    def drop(self, which: int) -> None:
        if len(self.live) > 1:
            del self.live[which % len(self.live)]

    @staticmethod
    def expanded(a: np.ndarray) -> bool:
        """Whether elements share memory; a write would not know which one wins."""
        steps = zip(a.shape, a.strides, strict=True)
        return a.size > 0 and any(size > 1 and step == 0 for size, step in steps)

    @staticmethod
    def overlaps(a: np.ndarray) -> bool:
        """Whether elements share memory in any way, as those of overlapping windows do."""
        places = np.zeros(1, np.int64)
        for size, step in zip(a.shape, a.strides, strict=True):
            places = (places[:, None] + np.arange(size) * step).reshape(-1)
        return len(np.unique(places)) < len(places)

    @invariant()
    def every_tensor_has_its_values(self) -> None:
        for x, a in self.live:
            assert same(x, np.asarray(a)), f"{self.told()}: expected {a.tolist()}, got {x.tolist()}"

    @invariant()
    def layouts_are_those_of_the_model(self) -> None:
        for x, a in self.live:
            told = zip(a.shape, a.strides, x.stride(), strict=True)
            wrong = [(step // a.itemsize, got) for size, step, got in told
                     if a.size and size > 1 and got != step // a.itemsize]  # fmt: skip
            assert not wrong, f"{self.told()}: (expected, got) strides {wrong}"
            dense = a.flags.c_contiguous
            assert x.is_contiguous() == dense, f"{self.told()}: is_contiguous() of {x.stride()}"

    @invariant()
    def sharing_is_known(self) -> None:
        for x, a in self.live:
            for y, b in self.live:
                if not (a.size and b.size):
                    continue
                mine, model = x.untyped_storage() == y.untyped_storage(), owner(a) is owner(b)
                assert mine == model, f"{self.told()}: sharing is {mine}, expected {model}"
                if model:
                    apart = (start(b) - start(a)) // a.itemsize
                    got = y.storage_offset() - x.storage_offset()
                    assert got == apart, f"{self.told()}: expected {apart} between, got {got}"


def owner(a: Any) -> Any:
    """What holds the memory of an array; between it and ``as_strided`` lies what is no array."""
    while getattr(a, "base", None) is not None:
        a = a.base
    return a


def start(a: np.ndarray) -> int:
    """The address of the first element."""
    found: int = a.__array_interface__["data"][0]
    return found


def test_random_programs(device: str, thorough: bool) -> None:
    machine = type("Views", (Views,), {"device": device})
    thorough = thorough and not tp.device(device).backend.compiles
    run_state_machine_as_test(
        machine,
        settings=settings(
            settings.default,
            max_examples=50 if thorough else 30,
            stateful_step_count=200 if thorough else 30,
            # To make a program shorter takes minutes; what it did is said anyway.
            phases=[Phase.generate, Phase.shrink] if thorough else [Phase.generate],
        ),
    )
