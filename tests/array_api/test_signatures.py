"""Names, signatures and constants: all that the standard lists, compared with a table of it."""

from __future__ import annotations

import configparser
import inspect
import math
from pathlib import Path
from typing import Any

import pytest

import tensorplug as tp
from tensorplug import array_api as xp


def _table() -> dict[str, list[str]]:
    parser = configparser.ConfigParser(allow_no_value=True, delimiters=("\0",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names as they are
    parser.read_string(Path(__file__).with_name("signatures.txt").read_text("utf-8"))
    return {name: list(parser[name]) for name in parser.sections()}


TABLE = _table()
SPACES: dict[str, Any] = {
    "main": xp,
    "linalg": xp.linalg,
    "fft": xp.fft,
    "array": tp.Tensor,
    "info": type(xp.__array_namespace_info__()),
}
ARITHMETIC = "abs add and eq floordiv ge gt invert le lshift lt matmul mod mul ne neg or pos pow"
OPERATORS = {f"__{name}__" for name in f"{ARITHMETIC} rshift sub truediv xor".split()}


def _expected(line: str) -> tuple[str, inspect.Signature]:
    space: dict[str, Any] = {"inf": math.inf}
    exec(f"def {line}: ...", space)
    name = line.partition("(")[0]
    return name, inspect.signature(space[name])


@pytest.mark.parametrize(
    ("space", "line"), [(space, line) for space, lines in TABLE.items() for line in lines]
)
def test_signature(space: str, line: str) -> None:
    name, expected = _expected(line)
    found = inspect.signature(getattr(SPACES[space], name))
    if space == "array" and (name in OPERATORS or name.startswith("__")):
        # PyTorch's functions serve as operators, which Python calls by position.
        given = [p for p in found.parameters.values() if p.default is p.empty]
        wanted = [p for p in expected.parameters.values() if p.default is p.empty]
        assert len(given) == len(wanted)
        keywords = {p.name for p in expected.parameters.values() if p.kind is p.KEYWORD_ONLY}
        assert keywords <= set(found.parameters)
        return
    got = [p.replace(annotation=p.empty) for p in found.parameters.values()]
    if space == "info":
        got = got[1:]  # the class's own `self`
    assert inspect.Signature(got) == expected


def test_nothing_is_missing_from_the_table() -> None:
    counts = {name: len(lines) for name, lines in TABLE.items()}
    assert counts == {"main": 135, "linalg": 25, "fft": 14, "array": 34, "info": 5}


def test_attributes() -> None:
    x = tp.zeros((2, 3))
    assert (x.ndim, x.size, x.shape, x.dtype) == (2, 6, (2, 3), xp.float32)
    assert isinstance(x.size, int)
    assert isinstance(x.shape, tuple)
    assert x.device == xp.__array_namespace_info__().default_device()
    assert x.T.shape == x.mT.shape == (3, 2)


def test_constants() -> None:
    assert (xp.e, xp.pi, xp.inf, xp.newaxis) == (math.e, math.pi, math.inf, None)
    assert math.isnan(xp.nan)
    assert {type(value) for value in (xp.e, xp.pi, xp.inf, xp.nan)} == {float}


def test_dtypes_are_told_apart() -> None:
    names = (
        "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 "
        "complex128"
    )
    types = [getattr(xp, name) for name in names.split()]
    assert [[a == b for b in types] for a in types] == [
        [i == j for j in range(13)] for i in range(13)
    ]
    assert len(set(types)) == 13
    assert all(types)


def test_namespace_of_an_array() -> None:
    x = tp.ones(2)
    assert x.__array_namespace__() is xp
    assert x.__array_namespace__(api_version=None) is xp
    assert x.__array_namespace__(api_version="2021.12") is xp
    assert x.__array_namespace__(api_version=xp.__array_api_version__) is xp
    with pytest.raises(ValueError, match=r"__array_namespace__: expected .*'2025.12'.*'2099.01'"):
        x.__array_namespace__(api_version="2099.01")
