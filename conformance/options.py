"""The suite's options: which devices, which tests, how much."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

import tensorplug as tp
from tensorplug.conformance import LEVELS, PROFILES
from tensorplug.conformance.assumed import assume
from tensorplug.conformance.kept import CURRENT, cache_folder
from tensorplug.conformance.report import FAILED, peculiar, replayable
from tensorplug.conformance.samples import SEED
from tensorplug.conformance.selection import asked, check_asked

__all__ = [
    "add_options", "configure", "devices", "profile_of", "remarks", "run_of", "selected",
]  # fmt: skip

SUITE = "tensorplug.conformance"
"""What stands on the command line for a run of all tests."""

_REPLAY = pytest.StashKey[dict[str, Any]]()


def add_options(parser: pytest.Parser) -> None:
    """Add the suite's options to pytest's."""
    group = parser.getgroup("tensorplug conformance")

    def option(name: str, help: str, **values: Any) -> None:
        group.addoption(name, help=help, **values)

    option("--device", "a device to test, such as strict:0; repeat for several (default: cpu)",
           action="append", metavar="NAME")  # fmt: skip
    option("--function", "of the tests of functions, only those of this very one, such as "
           "linalg.svd; tests of no function are run too; repeat for several",
           action="append", metavar="NAME")  # fmt: skip
    option("--op", "only tests of this function: softmax is all that are called so, tp.softmax and "
           "nn.functional.softmax are one each; repeat for several",
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
    option("--exclude", "known failures, as TOML: id, reason, link, expires", metavar="FILE")
    option("--assume-all", "try what the devices do not declare, too", action="store_true")
    option("--report", "write the results as JSON", metavar="FILE")
    option("--html", "write the results as a page that needs no other file", metavar="FILE")
    option("--markdown", "write the results as a short page of Markdown", metavar="FILE")
    option("--badge", "write a badge (SVG) that says which level is reached", metavar="FILE")


def devices(config: pytest.Config) -> list[str]:
    """The devices under test."""
    names = config.getoption("--device") or _replayed(config).get("devices") or ["cpu"]
    return list(dict.fromkeys(str(name) for name in names))  # each once


def profile_of(config: pytest.Config) -> str:
    """``quick``, ``thorough`` or ``exhaustive``.

    Raises:
        pytest.UsageError: the environment names another one.
    """
    default = os.environ.get("TENSORPLUG_TEST_PROFILE", "quick")
    found: str = config.getoption("--profile") or _replayed(config).get("profile") or default
    if found not in PROFILES:
        names = ", ".join(sorted(PROFILES))
        raise pytest.UsageError(f"TENSORPLUG_TEST_PROFILE: expected one of {names}, got {found}")
    return found


def _replayed(config: pytest.Config) -> dict[str, Any]:
    """The report to replay; empty where none is."""
    path = config.getoption("--replay")
    if path is None:
        return {}
    if _REPLAY not in config.stash:
        try:
            config.stash[_REPLAY] = replayable(Path(path))
        except tp.backends.TensorplugError as error:
            raise pytest.UsageError(f"--replay: {error}") from error
    return config.stash[_REPLAY]


def remarks(config: pytest.Config) -> list[str]:
    """What is remarkable of the report to replay."""
    return peculiar(_replayed(config), config.getoption("--replay") or "")


def _assumes_all(config: pytest.Config) -> bool:
    return bool(config.getoption("--assume-all") or _replayed(config).get("assume_all"))


def run_of(config: pytest.Config) -> dict[str, Any]:
    """How the run was asked for: what a report says of itself."""
    chosen = {
        "-k": config.getoption("keyword"), "-m": config.getoption("markexpr"),
        "arguments": [] if SUITE in config.args else list(config.args),
        "--deselect": config.getoption("deselect"), "--ignore": config.getoption("ignore"),
        "--ignore-glob": config.getoption("ignore_glob"), "--lf": config.getoption("lf", False),
        **{name: config.getoption(name)
           for name in ("--function", "--op", "--dtype", "--replay", "--budget")},
        "--share": config.getoption("--share") if config.getoption("--share") > 1 else None,
    }  # fmt: skip
    return {
        "profile": profile_of(config),
        "seed": SEED[0],
        "level": (config.getoption("--level") or "").upper(),
        "assume_all": _assumes_all(config),
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


def _settings(config: pytest.Config) -> None:
    """Deterministic, unless a seed is given: then failing examples are kept, too."""
    seed = config.getoption("--seed")
    SEED[0] = _replayed(config).get("seed", 0) if seed is None else seed
    if SEED[0] < 0:
        raise pytest.UsageError(f"--seed: expected 0 or more, got {SEED[0]}")
    if SEED[0]:
        config.option.hypothesis_seed = str(SEED[0])
    name = profile_of(config)
    hypothesis.settings.register_profile(
        "tensorplug", max_examples=PROFILES[name], deadline=None, report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck), derandomize=not SEED[0],
        database=DeviceDatabase(cache_folder()) if SEED[0] else None,
    )  # fmt: skip
    hypothesis.settings.load_profile("tensorplug")
    if "HYPOTHESIS_STORAGE_DIRECTORY" not in os.environ:  # else a folder where the user is
        set_hypothesis_home_dir(cache_folder() / "hypothesis")


def configure(config: pytest.Config) -> None:
    """Refuse what does not exist before anything runs, and set hypothesis up.

    Raises:
        pytest.UsageError: naming the option, what was expected, and the nearest that exists.
    """
    _settings(config)
    try:
        tp.device("cpu")
    except RuntimeError as error:
        raise pytest.UsageError(
            f"expected the device cpu, which the suite compares with; {str(error).splitlines()[0]}"
        ) from error
    for name in devices(config):
        try:
            tp.device(name)
        except RuntimeError as error:
            raise pytest.UsageError(f"--device {name}: {error}") from error
        if _assumes_all(config):
            assume(name)
    check_asked(config, devices(config))
    level, levels = config.getoption("--level"), [f"L{n}" for n in range(len(LEVELS))]
    budget = config.getoption("--budget")
    if budget is not None and not 0 < budget < math.inf:
        raise pytest.UsageError(f"--budget: expected a number of seconds above 0, got {budget:g}")
    if config.getoption("--share") < 1:
        raise pytest.UsageError(f"--share: expected 1 or more, got {config.getoption('--share')}")
    if level is not None and level.upper() not in levels:
        raise pytest.UsageError(f"--level: expected one of {', '.join(levels)}, got {level}")


# --- choosing ------------------------------------------------------------------------------------


def selected(config: pytest.Config) -> Callable[[dict[str, Any]], bool]:
    """Which tests to run, as a question about the facts of each."""
    ops, _, types = asked(config)
    top = (config.getoption("--level") or "L9").upper()
    replayed = _replayed(config)
    failed = {r["test"] for r in replayed.get("results", ()) if r["outcome"] in FAILED}

    def wanted(facts: dict[str, Any]) -> bool:
        return (
            facts["level"] <= top
            and (ops is None or facts["function"] in ops)
            and (types is None or facts["dtype"] in types)
            and not (replayed and facts["test"] not in failed)
        )

    return wanted
