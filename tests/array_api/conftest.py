"""Tests that take a ``device`` run on each of these."""

from __future__ import annotations

import os

import pytest

# JAX compiles every new shape: a few tests use it always, more of them where there is time.
THOROUGH = os.environ.get("TENSORPLUG_TEST_PROFILE") == "thorough"
ALWAYS = ("test_complex_function_at_its_corners", "test_floor_division_in_every_form")
WITH_TIME = ("test_call", "test_demands", "test_promotion", "test_special_cases")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "device" in metafunc.fixturenames:
        name, file = metafunc.function.__name__, metafunc.module.__name__.rpartition(".")[2]
        xla = name in ALWAYS or (THOROUGH and (name in WITH_TIME or file in WITH_TIME))
        metafunc.parametrize("device", ("cpu", "strict:0", *(("xla:0",) if xla else ())))
