"""Every function against array-api-strict: types, shapes and values of the same calls."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tensorplug as tp
from tensorplug import array_api as xp
from tensorplug.array_api import _elementwise as elementwise

HERE = Path(__file__).parent
TYPES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32",
    "float64", "complex64", "complex128",
]  # fmt: skip

# Vectors are determined up to signs or phases; only types and shapes are compared.
UNDETERMINED = ("linalg.eig", "linalg.eigh", "linalg.eigvals", "linalg.qr", "linalg.svd")


@pytest.fixture(autouse=True)
def _float64_by_default() -> Iterator[None]:
    """array-api-strict's default type; ours follows PyTorch's setting."""
    tp.set_default_dtype(tp.float64)
    yield
    tp.set_default_dtype(tp.float32)


def _calls() -> list[str]:
    text = re.sub(r"#.*", "", (HERE / "calls.txt").read_text("utf-8"))
    return re.split(r"(?<=[)\w])\s+(?=[a-z_.]+\()", text.strip())


CALLS = _calls()


def numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Small numbers, some of them equal, with both signs where the type has them."""
    kind = np.dtype(dtype).kind
    found = rng.integers(0 if kind in "bu" else -3, 4, shape).astype(np.complex128)
    if kind in "fc":
        found = found / 2 + 0.25
    if kind == "c":
        found = found + 1j * rng.integers(-3, 4, shape)
    return (found if kind == "c" else found.real).astype(dtype)


def arrays(seed: int, first: str, second: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    make = functools.partial(numbers, rng)
    square = make((2, 3, 3), first)
    if square.dtype.kind != "b":
        square = (square + 9 * np.eye(3)).astype(first)
    wide = "complex128" if first in ("complex64", "complex128") else "float64"
    product = square.astype(wide) @ np.conj(square.astype(wide).swapaxes(-1, -2))
    return {
        "x": make((2, 3), first), "y": make((3,), second), "z": make((2, 1, 3), first),
        "s": make((), first), "e": make((0, 3), first), "v": make((3,), first),
        "w": make((3,), first), "m": square, "h": product.astype(first),
        "k": rng.integers(0, 3, 4), "o": np.sort(make((5,), first)),
        "b": make((2, 3), "bool"), "c": make((4,), first),
    }  # fmt: skip


def evaluate(space: Any, call: str, values: dict[str, np.ndarray], device: Any = None) -> Any:
    found = {name: space.asarray(value, device=device) for name, value in values.items()}
    return eval(f"xp.{call}", {"xp": space, **found})


def compare(call: str, found: Any, expected: Any, values: bool = True) -> None:
    if isinstance(expected, strict._array_object.Array):
        assert isinstance(found, tp.Tensor), call
        assert found.dtype.name == _name(expected.dtype), call
        assert found.shape == expected.shape, call
        if values:
            exact = np.asarray(expected._array)
            near = 2e-5 if exact.dtype in (np.float32, np.complex64) else 1e-12
            np.testing.assert_allclose(
                found.numpy(force=True), exact, rtol=near, atol=near, err_msg=call
            )
    elif isinstance(expected, tuple):
        assert isinstance(found, tuple), call
        assert getattr(found, "_fields", None) == getattr(expected, "_fields", None), call
        for ours, theirs in zip(found, expected, strict=True):
            compare(call, ours, theirs, values)
    elif isinstance(expected, strict._dtypes.DType):
        assert found.name == _name(expected), call
    else:
        assert found == pytest.approx(expected, rel=1e-12), call


def _name(dtype: Any) -> str:
    return str(dtype._np_dtype)


def accepted(call: Callable[[], Any]) -> Any:
    """What array-api-strict gives; None where the standard does not define the call."""
    try:
        return call()
    except (TypeError, ValueError, np.linalg.LinAlgError):
        return None


@functools.cache
def types_of(call: str) -> list[tuple[str, str]]:
    """The types of (x, y) for which the standard defines a call."""
    return [
        (first, second)
        for first in (TYPES[9:] if call.startswith("linalg.matrix_rank") else TYPES)
        for second in (TYPES if re.search(r"\by\b", call) else [first])
        if accepted(lambda f=first, s=second: strict.result_type(_strict(f), _strict(s)))
        and accepted(lambda f=first, s=second: evaluate(strict, call, arrays(0, f, s))) is not None
    ]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_call(call: str, device: str) -> None:
    types = types_of(call)[:: {"cpu": 1, "strict:0": 3}.get(device, 6)]
    assert types
    for seed, (first, second) in enumerate(types):
        values = arrays(seed, first, second)
        expected = accepted(lambda v=values: evaluate(strict, call, v))
        if expected is None:  # a singular matrix
            continue
        found = evaluate(xp, call, values, device)
        name = call.partition("(")[0]
        compare(call, found, expected, values=name not in UNDETERMINED and name[:5] != "empty")


def test_every_function_is_called() -> None:
    lines = (HERE / "signatures.txt").read_text("utf-8").split("[array]")[0]
    space, names = "", set()
    for line in lines.splitlines():
        if line.startswith("["):
            space = {"[main]": ""}.get(line, f"{line[1:-1]}.")
        elif "(" in line:
            names.add(space + line.partition("(")[0])
    called = {call.partition("(")[0] for call in CALLS} | set(elementwise.__all__)
    assert names - called == {"from_dlpack"}


# --- elementwise ---------------------------------------------------------------------------------

UNARY = [*elementwise._UNARY.split(), "conj", "imag", "real", "round"]
BINARY = elementwise._BINARY.split()


@functools.cache
def _unary_types(name: str) -> list[str]:
    call = getattr(strict, name)
    return [
        t for t in TYPES if accepted(lambda t=t: call(strict.ones(1, dtype=_strict(t)))) is not None
    ]


@functools.cache
def _binary_types(name: str) -> list[tuple[str, str]]:
    call = getattr(strict, name)
    return [
        (a, b)
        for a in TYPES
        for b in TYPES
        if accepted(lambda a=a, b=b: call(*(strict.ones(1, dtype=_strict(t)) for t in (a, b))))
        is not None
    ]


def _strict(name: str) -> Any:
    return getattr(strict, name)


SHAPES = st.sampled_from([(), (1,), (3,), (0, 2), (2, 3), (2, 1, 3)])


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_unary(name: str, device: str) -> None:
    for seed, dtype in enumerate(_unary_types(name)):
        for shape in ((), (0, 2), (2, 3)):
            values = {"x": numbers(np.random.default_rng(seed), shape, dtype)}
            expected = evaluate(strict, f"{name}(x)", values)
            compare(f"{name}: {dtype}", evaluate(xp, f"{name}(x)", values, device), expected)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@given(data=st.data())
def test_binary(name: str, device: str, data: st.DataObject) -> None:
    first, second = data.draw(st.sampled_from(_binary_types(name)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = numbers(rng, data.draw(SHAPES.filter(lambda s: s != (0, 2))), first)
    y = numbers(rng, data.draw(st.sampled_from([(), (1,), (3,), (2, 1, 3)])), second)
    if name in ("floor_divide", "remainder", "pow") or "shift" in name:
        y = np.where(np.isin(y, (0,)), 1, np.abs(y)).astype(second)
    values = {"x": x, "y": y}
    compare(name, evaluate(xp, f"{name}(x, y)", values, device),
            evaluate(strict, f"{name}(x, y)", values))  # fmt: skip


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@given(data=st.data())
def test_binary_with_a_number(name: str, device: str, data: st.DataObject) -> None:
    types = [a for a, b in _binary_types(name) if a == b]
    dtype = data.draw(st.sampled_from(types))
    kind = np.dtype(dtype).kind
    weak: list[Any] = {"b": [True], "u": [2], "i": [2], "f": [2, 0.5], "c": [2, 0.5, 1 + 2j]}[kind]
    x = numbers(np.random.default_rng(1), (2, 3), dtype)
    values = {"x": x if kind == "b" else (np.abs(x) + 1).astype(dtype)}
    number = data.draw(st.sampled_from(weak))
    for call in (f"{name}(x, {number})", f"{name}({number}, x)"):
        compare(call, evaluate(xp, call, values, device), evaluate(strict, call, values))


@pytest.mark.parametrize("bounds", ["1", "-1, 1", "max=y", "min=y", "y, 2", "None, None", "0, 2"])
def test_clip_keeps_the_type(bounds: str, device: str) -> None:
    for dtype in TYPES[1:11]:
        values = arrays(3, dtype, dtype)
        bounds = bounds.replace("-1", "0") if dtype.startswith("u") else bounds
        call = f"clip(x, {bounds})"
        compare(call, evaluate(xp, call, values, device), evaluate(strict, call, values))
