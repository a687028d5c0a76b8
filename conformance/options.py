"""The suite's options: which devices, which tests, how much."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

import tensorplug as tp
from tensorplug.autograd.registry import FUNCTIONS
from tensorplug.conformance import LEVELS, PROFILES
from tensorplug.conformance.report import read
from tensorplug.conformance.samples import DTYPES, SEED

__all__ = ["CURRENT", "add_options", "configure", "devices", "profile_of", "run_of", "selected"]

CURRENT = [""]
"""The device of the running test."""

_REPLAY = pytest.StashKey[dict[str, Any]]()


def add_options(parser: pytest.Parser) -> None:
    """Add the suite's options to pytest's."""
    group = parser.getgroup("tensorplug conformance")

    def option(name: str, help: str, **values: Any) -> None:
        group.addoption(name, help=help, **values)

    option("--device", "a device to test, such as strict:0; repeat for several (default: cpu)",
           action="append", metavar="NAME")  # fmt: skip
    option("--function", "of the tests of functions, only those of this one, such as linalg.svd; "
           "tests of no function are run too; repeat for several",
           action="append", metavar="NAME")  # fmt: skip
    option("--op", "only tests of this function; repeat for several",
           action="append", metavar="NAME")  # fmt: skip
    option("--dtype", "only tests of functions with this type; repeat for several",
           action="append", metavar="NAME")  # fmt: skip
    option("--level", "only tests up to this level: L2 is L0, L1 and L2", metavar="LEVEL")
    option("--budget", "about so many seconds of tests, those first that find most in least time",
           type=float, metavar="SECONDS")  # fmt: skip
    option("--share", "of what is tried for many functions, types and cases one in so many",
           type=int, default=1, metavar="COUNT")  # fmt: skip
    option("--profile", "how much to try (default: $TENSORPLUG_TEST_PROFILE, else quick)",
           choices=sorted(PROFILES), default=None)  # fmt: skip
    option("--seed", "other random values than the usual ones; failures that hypothesis finds are "
           "kept for the next run, per device", type=int, metavar="NUMBER")  # fmt: skip
    option("--replay", "only what failed in this report, with its seed", metavar="FILE")
    option("--assume-all", "try what the devices do not declare, too", action="store_true")
    option("--report", "write the results as JSON", metavar="FILE")
    option("--html", "write the results as a page that needs no other file", metavar="FILE")
    option("--badge", "write a badge (SVG) that says which level is reached", metavar="FILE")


def devices(config: pytest.Config) -> list[str]:
    """The devices under test."""
    names = config.getoption("--device") or _replayed(config).get("devices") or ["cpu"]
    return [str(name) for name in names]


def profile_of(config: pytest.Config) -> str:
    """``quick``, ``thorough`` or ``exhaustive``."""
    default = os.environ.get("TENSORPLUG_TEST_PROFILE", "quick")
    return config.getoption("--profile") or _replayed(config).get("profile") or default


def _replayed(config: pytest.Config) -> dict[str, Any]:
    """The report to replay; empty where none is."""
    path = config.getoption("--replay")
    if path is None:
        return {}
    if _REPLAY not in config.stash:
        config.stash[_REPLAY] = read(Path(path))
    return config.stash[_REPLAY]


def run_of(config: pytest.Config) -> dict[str, Any]:
    """How the run was asked for: what a report says of itself."""
    chosen = {
        "-k": config.getoption("keyword"), "-m": config.getoption("markexpr"),
        **{name: config.getoption(name)
           for name in ("--function", "--op", "--dtype", "--replay", "--budget")},
        "--share": config.getoption("--share") if config.getoption("--share") > 1 else None,
    }  # fmt: skip
    return {
        "profile": profile_of(config),
        "seed": SEED[0],
        "level": (config.getoption("--level") or "").upper(),
        "assume_all": config.getoption("--assume-all"),
        "selection": {name: value for name, value in chosen.items() if value},
    }


# --- setting up ----------------------------------------------------------------------------------


class DeviceDatabase(ExampleDatabase):
    """The failing examples of each device in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    @property
    def _here(self) -> ExampleDatabase:
        name = re.sub(r"\W", "-", CURRENT[0]) or "none"
        return DirectoryBasedExampleDatabase(self.folder / name)

    def fetch(self, key: bytes) -> Any:
        """The examples of a test on the current device."""
        return self._here.fetch(key)

    def save(self, key: bytes, value: bytes) -> None:
        """Keep an example."""
        self._here.save(key, value)

    def delete(self, key: bytes, value: bytes) -> None:
        """Forget an example."""
        self._here.delete(key, value)


def _folder() -> Path:
    """Where failing examples are kept: the user's folder for caches."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tensorplug" / "conformance"


def _settings(config: pytest.Config) -> None:
    """Deterministic, unless a seed is given: then failing examples are kept, too."""
    seed = config.getoption("--seed")
    SEED[0] = _replayed(config).get("seed", 0) if seed is None else seed
    if SEED[0]:
        config.option.hypothesis_seed = str(SEED[0])
    name = profile_of(config)
    hypothesis.settings.register_profile(
        "tensorplug", max_examples=PROFILES[name], deadline=None, report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck), derandomize=not SEED[0],
        database=DeviceDatabase(_folder()) if SEED[0] else None,
    )  # fmt: skip
    hypothesis.settings.load_profile("tensorplug")


def configure(config: pytest.Config) -> None:
    """Refuse what does not exist before anything runs, and set hypothesis up.

    Raises:
        pytest.UsageError: naming the option, what was expected, and the nearest that exists.
    """
    _settings(config)
    for name in devices(config):
        try:
            where = tp.device(name)
        except RuntimeError as error:
            raise pytest.UsageError(f"--device {name}: {error}") from error
        if config.getoption("--assume-all"):
            everything = {dtype.name for dtype in DTYPES} | set(tp.backends.CAPABILITIES)
            where.capabilities |= everything
            where.drop_kernels()
    known = {public.qualname for public in FUNCTIONS.values()}
    for option in ("--function", "--op"):
        _check(option, config, known, "the name of a function")
    _check("--dtype", config, {dtype.name for dtype in DTYPES}, "the name of a type")
    level, levels = config.getoption("--level"), [f"L{n}" for n in range(len(LEVELS))]
    budget = config.getoption("--budget")
    if budget is not None and budget <= 0:
        raise pytest.UsageError(f"--budget: expected more than 0 seconds, got {budget:g}")
    if config.getoption("--share") < 1:
        raise pytest.UsageError(f"--share: expected 1 or more, got {config.getoption('--share')}")
    if level is not None and level.upper() not in levels:
        raise pytest.UsageError(f"--level: expected one of {', '.join(levels)}, got {level}")


def _check(option: str, config: pytest.Config, known: set[str], what: str) -> None:
    for name in config.getoption(option) or []:
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise pytest.UsageError(f"{option}: expected {what}, got {name}{hint}")


# --- choosing ------------------------------------------------------------------------------------


def selected(config: pytest.Config) -> Callable[[dict[str, Any]], bool]:
    """Which tests to run, as a question about the facts of each."""
    ops = set(config.getoption("--op") or ())
    types = set(config.getoption("--dtype") or ())
    top = (config.getoption("--level") or "L9").upper()
    replayed = _replayed(config)
    bad = ("failed", "error")
    failed = {r["test"] for r in replayed.get("results", ()) if r["outcome"] in bad}

    def wanted(facts: dict[str, Any]) -> bool:
        return (
            facts["level"] <= top
            and not (ops and facts["function"] not in ops)
            and not (types and facts["dtype"] not in types)
            and not (replayed and facts["test"] not in failed)
        )

    return wanted
