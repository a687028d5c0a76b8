"""Which tests an option chooses, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import tensorplug as tp
from tensorplug.conformance.selection import meant

COLLECT = """
import json, sys, pytest

class Note:
    def pytest_collection_finish(self, session):
        facts = [dict(item.user_properties)["tensorplug"] for item in session.items]
        sys.stderr.write(json.dumps(facts))

words = ["--pyargs", "tensorplug.conformance", "--collect-only", "-q", "-p", "no:cacheprovider"]
sys.exit(pytest.main([*words, "--import-mode=importlib", *sys.argv[1:]], plugins=[Note()]))
"""


def environment(**values: str) -> dict[str, str]:
    """What a user's shell has, and some values more."""
    return {name: v for name, v in os.environ.items() if "PYTEST" not in name} | values


def command(folder: Path, *words: str, **values: str) -> subprocess.CompletedProcess[str]:
    """The command in a folder, with some variables of the environment."""
    return subprocess.run(
        [sys.executable, "-m", "tensorplug", "conformance", *words],
        cwd=folder, env=environment(**values), capture_output=True, text=True, check=False,
    )  # fmt: skip


@cache
def collected(*words: str) -> list[dict[str, Any]]:
    """What is known of the tests that would be run, in their order."""
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, *words], cwd=Path(__file__).parent, env=environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found: list[dict[str, Any]] = json.loads(done.stderr)
    return found


# --- functions and types --------------------------------------------------------------------------

SOFTMAX = {"softmax", "nn.functional.softmax", "special.softmax"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "functions", "types"),
    [
        (("--op", "softmax"), SOFTMAX, None),
        (("--op", "softmax", "--dtype", "float16"), SOFTMAX, {"float16"}),
        (("--op", "tp.add", "--op", "linalg.svd"), {"add", "linalg.svd"}, None),
        (("--op", "item"), {"Tensor.item"}, None),
        (("--dtype", "float16"), None, {"float16"}),
    ],
)
def test_what_is_asked_for_is_the_same_part_of_the_suite(
    words: tuple[str, ...], functions: set[str] | None, types: set[str] | None
) -> None:
    whole = [
        facts["test"]
        for facts in collected()
        if (functions is None or facts["function"] in functions)
        and (types is None or facts["dtype"] in types)
    ]
    assert whole
    assert [facts["test"] for facts in collected(*words)] == whole


def test_a_function_is_tried_with_its_gradients_and_recorded_calls() -> None:
    files = {facts["file"] for facts in collected("--op", "softmax")}
    for part in ("l2_forward", "l2_recorded_calls", "l4_gradients", "l4_recorded_calls"):
        assert f"test_{part}.py" in files


def test_a_name_without_dots_is_that_of_all_that_are_called_so() -> None:
    assert meant("softmax") == SOFTMAX
    assert meant("tp.softmax") == meant("tensorplug.softmax") == {"softmax"}
    assert meant("nn.functional.softmax") == {"nn.functional.softmax"}
    assert meant("functional.softmax") == meant("soft") == frozenset()
    assert meant("__getitem__") == meant("Tensor.__getitem__") == {"Tensor.__getitem__"}


@pytest.mark.slow
def test_of_the_tests_of_functions_one_and_all_others() -> None:
    tests = collected("--function", "sum", "--level", "L2")
    # A test of no function may be tried for some by name, as a parameter.
    assert {facts["function"] for facts in tests if facts["dtype"]} == {"sum"}
    assert sum(facts["function"] is None for facts in tests) > 100


def test_a_type_that_no_device_declares(tmp_path: Path) -> None:
    words = ("--device", "strict:0", "--op", "softmax", "--dtype", "float16")
    done = command(tmp_path, *words)
    assert done.returncode == 2
    assert "--dtype: expected a type that is declared, got float16; strict:0 declares " in (
        done.stderr
    )
    assert "float32" in done.stderr.partition("strict:0 declares")[2]


# --- what is left behind --------------------------------------------------------------------------


@pytest.mark.slow
def test_generated_examples_leave_nothing_behind(tmp_path: Path) -> None:
    folder, cache = tmp_path / "here", tmp_path / "cache"
    folder.mkdir()
    done = command(folder, "-k", "basic_indices", XDG_CACHE_HOME=str(cache))
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(folder.iterdir()) == []
    assert [file.name for file in cache.iterdir()] == ["tensorplug"]


# --- devices, seeds and misuse --------------------------------------------------------------------


FEW = ("--op", "tp.exp", "--dtype", "float32", "-k", "values_types")


def test_a_device_needs_no_option_and_is_tested_once(tmp_path: Path) -> None:
    words = ("loopback:0", "cpu", "--device", "cpu", "--device", "loopback:0")
    done = command(tmp_path, *words, *FEW, "--json", "r.json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert report["devices"] == ["loopback:0", "cpu"]
    assert sorted(result["device"] for result in report["results"]) == ["cpu", "loopback:0"]
    last = command(tmp_path, *FEW, "cpu", "nosuch:0")
    assert (last.returncode, "nosuch" in last.stderr) == (2, True)


@pytest.mark.slow
def test_a_seed_drawn_at_random_can_be_repeated(tmp_path: Path) -> None:
    seeds = set()
    for _ in range(2):
        done = command(tmp_path, *FEW, "--explore", "--json", "r.json")
        assert done.returncode == 0, done.stdout + done.stderr
        seed = json.loads((tmp_path / "r.json").read_text("utf-8"))["seed"]
        told = f"--explore: the seed is {seed}; --seed {seed} tries the same again"
        assert done.stdout.splitlines()[0] == told
        seeds.add(seed)
    assert len(seeds) == 2
    assert 0 not in seeds


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--seed", "-1"), "--seed: expected 0 or more, got -1"),
        (("-n", "-1"), "conformance: expected 0 processes or more for -n, got -1"),
        (("--budget", "nan"), "--budget: expected a number of seconds above 0, got nan"),
        (("--explore", "--seed", "3"), "expected --explore or --seed, got both; --seed 3 is "),
        (("--replay", "nowhere.json"), "expected a report that --json wrote, got nowhere.json"),
        (("--verify", "nowhere.json"), "expected a report that --json wrote, got nowhere.json"),
        (("--device", "cuda:0"), "cuda"),
    ],
)
def test_misuse_is_said_in_a_line_or_two(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    if words[-1] == "cuda:0" and any(name.startswith("cuda") for name in available()):
        words = ("--device", "cuda:99")
    done = command(tmp_path, *words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert list(tmp_path.iterdir()) == []


def available() -> list[str]:
    """The devices of this computer."""
    return [row.device for row in tp.backends.devices() if row.available]


def test_an_unknown_profile_of_the_environment(tmp_path: Path) -> None:
    done = command(tmp_path, *FEW, TENSORPLUG_TEST_PROFILE="foo")
    assert done.returncode == 2
    told = "TENSORPLUG_TEST_PROFILE: expected one of exhaustive, quick, thorough, got foo"
    assert told in done.stderr
    assert "INTERNALERROR" not in done.stdout + done.stderr


def test_without_the_cpu_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    words = ("--device", "strict:0", "--op", "exp")
    done = command(tmp_path, *words, TENSORPLUG_DISABLE_PLUGINS="cpu")
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if line]
    assert "expected the device cpu, which the suite compares with; cpu: expected a plugin " in line
    assert "TENSORPLUG_DISABLE_PLUGINS turns it off" in line
