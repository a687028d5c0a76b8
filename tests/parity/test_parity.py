"""One test per name: tensorplug's answers against PyTorch's."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from . import tiers
from .check import Limits, check_name
from .subject import Subject


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", tiers.names(metafunc.config.getoption("--tier", 1)))


@pytest.fixture(scope="session")
def subject(request: pytest.FixtureRequest) -> Subject:
    config = request.config
    return Subject(config.getoption("--subject", "tensorplug"), config.getoption("--device", "cpu"))


@pytest.fixture(scope="session")
def limits(request: pytest.FixtureRequest) -> Limits:
    if request.config.getoption("--few-samples", False):
        return Limits.few_samples()
    every = request.config.getoption("--all-samples", False)
    return Limits.all_samples() if every else Limits()


def test_agrees_with_torch(
    name: str,
    subject: Subject,
    limits: Limits,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    result = check_name(name, subject, request.config.getoption("--tier", 1), limits)
    record_property("parity", json.dumps(result.summary()))
    if result.status != "agree":
        pytest.fail(f"{name}: {result.status}; the table at the end says where", pytrace=False)
