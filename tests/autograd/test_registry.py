"""Declarations are checked when they are made: a slip in a row is an error at import."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tensorplug  # noqa: F401  # the rows must be complete before their names are compared
from tensorplug.autograd.families import BINARY, GENERIC, LISTS, UNARY
from tensorplug.autograd.registry import FUNCTIONS, ROWS, function, op


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """A refused declaration registers nothing."""
    before = set(ROWS), set(FUNCTIONS)
    yield
    assert (set(ROWS), set(FUNCTIONS)) == before


@pytest.mark.parametrize(
    ("family", "names"),
    [
        (GENERIC, {"inputs": ("x", "out"), "attrs": ()}),
        (GENERIC, {"inputs": ("x",), "attrs": ("out",)}),
        (GENERIC, {"inputs": ("values",), "attrs": (), "outputs": ("values", "indices")}),
        (GENERIC, {"inputs": ("x",), "attrs": ("indices",), "outputs": ("values", "indices")}),
        (LISTS, {"inputs": ("*out",), "attrs": ()}),
    ],
)
def test_refuses_inputs_and_attributes_named_like_outputs(family, names) -> None:
    with pytest.raises(ValueError, match=r"op 'wrong': inputs or attributes named \['\w+'\]"):
        op("wrong", family, **names)


def test_refuses_rules_that_ask_for_what_is_not_there() -> None:
    with pytest.raises(ValueError, match=r"op 'wrong': a rule asks for \['y'\]"):
        op("wrong", UNARY, grad=lambda F, g, y: g * y)
    with pytest.raises(ValueError, match=r"asks for \['z_shape'\]"):
        op("wrong", BINARY, grad={"x": lambda F, g, x_shape, z_shape: g})


def test_refuses_gradients_of_unknown_inputs() -> None:
    with pytest.raises(ValueError, match=r"op 'wrong': grad given for \['w'\], but inputs are"):
        op("wrong", BINARY, grad={"w": lambda F, g: g})
    with pytest.raises(ValueError, match=r"grad given for \['z'\]"):
        op("wrong", BINARY, grad={("x", "z"): lambda F, g: (g, g)})


def test_refuses_a_name_twice() -> None:
    with pytest.raises(ValueError, match=r"op 'exp' is declared twice: exponential\.py:\d+"):
        op("exp", UNARY)
    with pytest.raises(ValueError, match="function 'add' is registered twice"):
        function(name="add")(lambda input, other: input)


def test_refuses_unknown_fields() -> None:
    with pytest.raises(ValueError, match=r"op 'wrong': unknown fields \['metod'\]; known: "):
        op("wrong", UNARY, metod=True)
    with pytest.raises(ValueError, match=r"function 'wrong': unknown fields \['rows'\]"):
        function(name="wrong", rows="exp")
