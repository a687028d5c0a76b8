"""``tensorplug conformance``: run the suite on some devices, and say what it found."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import tensorplug as tp
from tensorplug.conformance import LEVELS, PROFILES, SUITE_VERSION
from tensorplug.conformance.exclusions import lines_of
from tensorplug.conformance.kept import cache_folder
from tensorplug.conformance.report import FAILED, peculiar, read, replayable, verify
from tensorplug.conformance.suggest import suggestion
from tensorplug.conformance.summary import Display, print_summary

__all__ = ["add_arguments", "run"]

SUITE = "tensorplug.conformance"

FORMS = ("report", "html", "markdown", "badge")
"""The files that the suite itself writes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tensorplug conformance``."""
    levels = ", ".join(f"L{number} {name}" for number, name in enumerate(LEVELS))
    parser.epilog = f"Suite {SUITE_VERSION}. Levels: {levels}."

    def option(*names: str, **values: Any) -> None:
        parser.add_argument(*names, **values)

    option("devices", nargs="*", metavar="DEVICE",
           help="a device such as strict:0, or several (default: cpu)")  # fmt: skip
    option("--device", action="append", metavar="NAME", help="the same as an option")
    option("--level", metavar="LEVEL", help="only up to this level, such as L2")
    option("--op", action="append", metavar="NAME", default=[],
           help="only this function: softmax is all that are called so, tp.softmax and "
           "nn.functional.softmax are one each; repeat for several")  # fmt: skip
    option("--dtype", action="append", metavar="NAME", default=[],
           help="only tests of functions with this type")  # fmt: skip
    option("--function", action="append", metavar="NAME", default=[],
           help="of the tests of functions, only this one's; all others are run too")  # fmt: skip
    option("-k", metavar="EXPR", dest="expression", help="only tests that match")
    option("--budget", type=float, metavar="SECONDS",
           help="stop after so long; what finds most in least time comes first")  # fmt: skip
    option("--share", type=int, metavar="COUNT",
           help="of what is tried for many functions, types and cases one in so many")  # fmt: skip
    option("--profile", choices=sorted(PROFILES), help="how much to try")
    option("--seed", type=int, metavar="NUMBER", help="other random values than the usual ones")
    option("--explore", action="store_true",
           help="a seed that is drawn at random, and printed to be repeated")  # fmt: skip
    option("--replay", metavar="FILE", help="only what failed in this report, with its seed")
    option("--exclude", metavar="FILE",
           help="known failures with their reasons, as TOML; see docs/conformance.md")  # fmt: skip
    _add_files(option)
    option("--suggest", action="store_true",
           help="try what the device does not declare, too, and print what it could")  # fmt: skip
    option("--verify", metavar="FILE", help="run nothing; say whether a report is whole")
    option("-n", "--workers", type=int, metavar="COUNT", help="processes (needs pytest-xdist)")
    option("-x", "--exitfirst", action="store_true", help="stop at the first failure")
    option("--failed-first", action="store_true",
           help="start with what failed last time")  # fmt: skip
    option("-v", "--verbose", action="store_true", help="name every test")


def _add_files(option: Callable[..., None]) -> None:
    """The options that name files to write."""
    option("--report", "--json", metavar="FILE", help="write the results as JSON")
    option("--junit", metavar="FILE", help="write the results as JUnit's XML")
    option("--html", metavar="FILE", help="write the results as a page that needs no other file")
    option("--markdown", metavar="FILE", help="write a short page of Markdown")
    option("--badge", metavar="FILE", help="write an SVG that says which level is reached")


def run(args: argparse.Namespace) -> int:
    """Run the suite; 0 if nothing failed, 1 if something did, 2 for misuse or a run cut short."""
    try:
        return _verify(Path(args.verify)) if args.verify is not None else _run(args)
    except tp.backends.TensorplugError as error:  # a device, a file or a tool does not exist
        sys.stderr.write(f"tensorplug: {error}\n")
        return 2


def _run(args: argparse.Namespace) -> int:
    names = [str(tp.device(name)) for name in (*args.devices, *(args.device or ()))]
    _check(args)
    if args.explore:
        args.seed = 1 + secrets.randbelow(2**31 - 1)
        told = f"--explore: the seed is {args.seed}; --seed {args.seed} tries the same again"
        Display(False).console.print(told, markup=False, highlight=False)
    if args.replay is not None:
        replayed = replayable(Path(args.replay))  # before pytest starts, for a short message
        for line in peculiar(replayed, args.replay):
            Display(False).console.print(line, markup=False, highlight=False)
        if not any(result["outcome"] in FAILED for result in replayed["results"]):
            return 0
    keeper = Keeper()
    display = Display(args.verbose)
    code = int(pytest.main(_words(args, names), plugins=[keeper, display]))
    report = keeper.report.document if keeper.report is not None else {}
    if not report or (code not in (0, 1) and not report["results"]):
        return _nothing_run(code)
    print_summary(report)
    for line in (*lines_of(report["results"]), *keeper.report.complaints, *keeper.report.unwritten):
        display.console.print(line, markup=False, highlight=False)
    if args.suggest:
        for name in report["devices"]:
            display.console.print(suggestion(report, name), markup=False, highlight=False)
    return code if code in (0, 1) else 2


def _check(args: argparse.Namespace) -> None:
    """Refuse what pytest would not, or in other words."""
    problem = ""
    if args.workers is not None and args.workers < 0:
        problem = f"0 processes or more for -n, got {args.workers}"
    elif args.workers and find_spec("xdist") is None:
        problem = (
            f"pytest-xdist for -n {args.workers}, but it is not installed; pip install "
            "pytest-xdist, or leave -n away"
        )
    elif args.explore and args.seed is not None:
        problem = f"--explore or --seed, got both; --seed {args.seed} is the one to repeat a run"
    if problem:
        raise tp.backends.TensorplugError(f"conformance: expected {problem}", op="conformance")


def _nothing_run(code: int) -> int:
    if code == int(pytest.ExitCode.NO_TESTS_COLLECTED):
        raise_nothing = "conformance: expected tests that match, got none; ask for less"
        Display(False).console.print(raise_nothing, markup=False)
    return 2 if code else 0


def _verify(path: Path) -> int:
    """Say whether a report is whole and unedited."""
    report = read(path)
    faults = verify(report)
    console = Display(False).console
    for fault in faults:
        console.print(fault, markup=False, highlight=False)
    if not faults:
        print_summary(report, limit=0)
        console.print(f"{path.name}: a whole run of suite {report['suite']['version']}")
    return 1 if faults else 0


def _words(args: argparse.Namespace, names: list[str]) -> list[str]:
    """The command line for pytest. It writes nothing into the user's folder."""
    # Of what pytest keeps, the failures are enough: a list of all tests is long to write.
    words = ["--pyargs", SUITE, "-o", f"cache_dir={cache_folder() / 'pytest'}", "-p", "no:nfplugin"]
    words += ["--import-mode=importlib", "--tb=short", "--rootdir", str(Path(__file__).parent)]
    words += [f"--device={name}" for name in names]
    for option in ("op", "dtype", "function"):
        words += [f"--{option}={name}" for name in getattr(args, option)]
    valued = ("level", "budget", "share", "profile", "seed", "replay", "exclude", *FORMS)
    for option in valued:
        value = getattr(args, option)
        words += [] if value is None else [f"--{option}={value}"]
    words += ["-k", args.expression] if args.expression else []
    words += [f"--junitxml={args.junit}"] if args.junit else []
    words += ["--assume-all"] if args.suggest else []
    words += ["-n", str(args.workers)] if args.workers else []
    words += ["-x"] if args.exitfirst else []
    words += ["--failed-first"] if args.failed_first else []
    return words


class Keeper:
    """A pytest plugin that keeps the suite's own report for the summary.

    The suite's plugin itself is left to pytest to import, which wants to be the first.
    """

    report: Any = None

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Find the report."""
        self.report = session.config.pluginmanager.get_plugin("tensorplug-report")
