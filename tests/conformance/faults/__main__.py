"""``python -m faults``: the fault matrix, as JSON and as a table, and the kill rate."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from . import catalogue, runner, tables
from .base import SEEDED, Fault
from .outcome import Outcome

PARTS = {
    "clean": (catalogue.CLEAN,),
    "faults": catalogue.FAULTS,
    "reserve": catalogue.RESERVES[0],
    "second reserve": catalogue.RESERVES[1],
    "third reserve": catalogue.RESERVES[2],
    "fourth reserve": catalogue.RESERVES[3],
    "variations": catalogue.VARIATIONS,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("ids", nargs="*", help="faults such as F01 (default: all)")
    parser.add_argument("--part", action="append", choices=sorted(PARTS), help="only this part")
    parser.add_argument("--quick", action="store_true", help="stop at each first failure")
    parser.add_argument("--full", action="store_true", help="the whole suite for each fault")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the matrix")
    parser.add_argument("--write", type=Path, metavar="FILE", help="rewrite a document's table")
    parser.add_argument("--record", action="store_true", help="note the tests that found faults")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep reports and logs")
    return parser.parse_args()


def _chosen(args: argparse.Namespace) -> list[Fault]:
    wanted = {name.lower() for name in args.ids}
    unknown = wanted - catalogue.ALL.keys()
    if unknown:
        raise SystemExit(f"expected ids of faults, got {sorted(unknown)}")
    chosen = [fault for part in args.part or PARTS for fault in PARTS[part]]
    return [fault for fault in chosen if not wanted or fault.type in wanted]


def expected(outcome: Outcome) -> bool:
    """Whether a fault was found, or what is no fault left alone."""
    return not outcome.error and bool(outcome.failures) == (outcome.id[0] in SEEDED)


def _line(o: Outcome) -> str:
    first = o.failures[0]["test"] if o.failures else o.error.strip()[-300:]
    return (
        f"{'ok ' if expected(o) else 'BAD'} {o.id:5} {o.ran:4} ran {len(o.failures):3} failed in "
        f"{len(o.functions):2} tests {o.seconds:6.2f} s, cpu {o.cpu:5.1f} s  "
        f"{'named' if o.points else '     '}  {o.says}  {first}"
    )


def main() -> int:
    """Run what the command line asks for; 1 if a fault survives or a variation is flagged."""
    args = _arguments()
    mode = "quick" if args.quick else "full" if args.full else "usual"
    outcomes: list[Outcome] = []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for outcome in runner.run(_chosen(args), folder, args.workers, mode):
            print(_line(outcome), flush=True)
            outcomes.append(outcome)
    cpu = sum(outcome.cpu for outcome in outcomes)
    took = time.perf_counter() - began
    print(*tables.said(tables.rates(outcomes)), sep="\n")
    print(f"{len(outcomes)} devices, {took:.0f} s, {cpu:.0f} s of processor time")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(tables.as_json(outcomes, mode), encoding="utf-8")
    if args.record:
        tables.record(outcomes)
    if args.write:
        tables.rewrite(args.write, outcomes)
    return int(not all(map(expected, outcomes)))


if __name__ == "__main__":
    sys.exit(main())
