"""Tests that take a ``device`` run on each of these."""

from __future__ import annotations

import os

import pytest

# JAX compiles every new shape: a few tests use it always, the others where there is time.
THOROUGH = os.environ.get("TENSORPLUG_TEST_PROFILE") == "thorough"
ALWAYS = ("test_complex_function_at_its_corners", "test_floor_division_in_every_form")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "device" in metafunc.fixturenames:
        xla = THOROUGH or metafunc.function.__name__ in ALWAYS
        metafunc.parametrize("device", ("cpu", "strict:0", *(("xla:0",) if xla else ())))
