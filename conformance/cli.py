"""``tensorplug conformance``: run the suite on some devices and sum up what it found."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from typing import Any

import pytest

import tensorplug as tp
from tensorplug.conformance import PROFILES

__all__ = ["add_arguments", "run"]

SUITE = "tensorplug.conformance"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``tensorplug conformance``."""
    parser.add_argument(
        "--device", action="append", metavar="NAME", help="a device such as strict:0; "
        "repeat for several (default: cpu)",
    )  # fmt: skip
    parser.add_argument("-k", metavar="EXPR", dest="expression", help="only tests that match")
    parser.add_argument(
        "--function", action="append", metavar="NAME", default=[],
        help="only cases of this function, such as linalg.svd; repeat for several",
    )  # fmt: skip
    parser.add_argument("--profile", choices=sorted(PROFILES), help="how much to try")
    parser.add_argument(
        "--report", "--json", metavar="FILE", help="write the results as JSON to a file"
    )
    parser.add_argument(
        "-n", "--workers", type=int, metavar="COUNT", help="processes (needs pytest-xdist)"
    )
    parser.add_argument("-x", "--exitfirst", action="store_true", help="stop at the first failure")
    parser.add_argument("-v", "--verbose", action="store_true", help="name every test")


def run(args: argparse.Namespace) -> int:
    """Run the suite; 0 if the devices pass, 1 if not, 2 for misuse.

    Raises:
        TensorplugError: a device or a tool does not exist.
    """
    names = [str(tp.device(name)) for name in args.device or ["cpu"]]
    if args.workers and find_spec("xdist") is None:
        raise tp.backends.TensorplugError(
            f"conformance: expected pytest-xdist for -n {args.workers}, but it is not installed; "
            "pip install pytest-xdist, or leave -n away",
            op="conformance",
        )
    keeper = Keeper()
    code = int(pytest.main(_words(args, names), plugins=[keeper]))
    if keeper.report is None or code not in (0, 1):
        return 2 if code else 0
    _print_summary(names, keeper.report)
    return code


def _words(args: argparse.Namespace, names: list[str]) -> list[str]:
    """The command line for pytest. It writes nothing into the user's folder."""
    words = ["--pyargs", SUITE, "-p", "no:cacheprovider", "--import-mode=importlib"]
    words += ["--tb=short", "-rN", "-v" if args.verbose else "-q"]
    words += [f"--device={name}" for name in names]
    words += [f"--function={name}" for name in args.function]
    if args.expression:
        words += ["-k", args.expression]
    if args.profile:
        words += [f"--profile={args.profile}"]
    if args.report:
        words += [f"--report={args.report}"]
    if args.workers:
        words += ["-n", str(args.workers)]
    if args.exitfirst:
        words += ["-x"]
    return words


class Keeper:
    """A pytest plugin that keeps the suite's own report for the summary.

    The suite's plugin itself is left to pytest to import, which wants to be the first.
    """

    report: Any = None

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Find the report."""
        self.report = session.config.pluginmanager.get_plugin("tensorplug-report")


def _print_summary(names: list[str], report: Any) -> None:
    # Imported here: the suite itself needs no more than pytest, hypothesis and NumPy.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("device", "array library", "passed", "failed", "result"):
        table.add_column(title, justify="right" if title in ("passed", "failed") else "left")
    counts = report.counts()
    for name in names:
        found = counts.get(name, {})
        failed = sum(count for outcome, count in found.items() if outcome != "passed")
        passed = found.get("passed", 0)
        backend = tp.device(name).backend
        verdict = ("fails", "red") if failed else ("passes", "green") if passed else ("not run", "")
        table.add_row(
            Text(name), Text(f"{backend.name} {backend.version()}"), str(passed), str(failed),
            Text(verdict[0], style=verdict[1]),
        )  # fmt: skip
    general = counts.get("", {})
    console = Console()
    console.print(table)
    if general:
        listed = ", ".join(f"{count} {outcome}" for outcome, count in sorted(general.items()))
        console.print(Text(f"tests without a device: {listed}"))
