"""``python -m faults``: the fault matrix, as JSON and as a table, and the kill rate."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from . import catalogue, runner

PARTS = {
    "clean": (catalogue.CLEAN,),
    "faults": catalogue.FAULTS,
    "reserve": catalogue.RESERVE,
    "variations": catalogue.VARIATIONS,
}


def main() -> int:
    """Run what the command line asks for; 1 if a fault survives or a variation is flagged."""
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("ids", nargs="*", help="faults such as F01 (default: all)")
    parser.add_argument("--part", action="append", choices=sorted(PARTS))
    parser.add_argument("--quick", action="store_true", help="stop at each first failure")
    parser.add_argument("--full", action="store_true", help="the whole suite for each fault")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="a folder for logs and reports")
    args = parser.parse_args()
    chosen = [f for part in args.part or PARTS for f in PARTS[part]]
    if args.ids:
        wanted = {name.lower() for name in args.ids}
        chosen = [f for f in catalogue.ALL.values() if f.type in wanted]
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        bad = 0
        for o in runner.run(chosen, folder, args.workers, args.quick, args.full):
            fine = bool(o.failures) == (o.id[0] in "FR")
            bad += not fine
            first = o.failures[0]["test"] if o.failures else o.error.strip()[-200:] or "-"
            print(f"{'ok  ' if fine else 'BAD '} {o.id:5} {o.ran:4} ran {len(o.failures):4} failed "
                  f"{len(o.functions):3} tests {o.seconds:6.2f}/{o.total:6.2f}s "
                  f"{'names' if o.points else '     '} {o.says[:46]:46} {first}", flush=True)  # fmt: skip
    print(f"{len(chosen)} devices, {bad} not as expected, {time.perf_counter() - began:.0f} s")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
