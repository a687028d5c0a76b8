"""``python -m faults.mutation``: how many mutants of the NumPy backend the suite finds."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from . import mutants, reach, runner

MOST = 8
"""So many public functions tell whether a line that many run is right."""


def concerned(lines: reach.Lines, mutant: mutants.Mutant) -> str:
    """The functions that run a mutant's line, those first that run the fewest lines of all."""
    names = lines.get((mutant.module, mutant.line), set())
    weight = {name: sum(name in found for found in lines.values()) for name in names}
    return " ".join(sorted(names, key=lambda name: (weight[name], name))[:MOST])


def main() -> int:
    """Print each mutant's fate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    lines = reach.reach()
    killed, survivors = 0, []
    chosen = mutants.sample(args.count, args.seed)
    with tempfile.TemporaryDirectory() as scratch:
        for mutant in chosen:
            fault = mutant.fault(concerned(lines, mutant))
            for outcome in runner.run([fault], Path(scratch), args.workers, "quick"):
                found = bool(outcome.failures or outcome.error)
                killed += found
                if not found:
                    survivors.append(mutant)
                first = outcome.functions[0] if outcome.failures else outcome.error[-80:]
                reached = "" if fault.functions else "  (not reached by a sample)"
                print(f"{'killed  ' if found else 'SURVIVED'} {outcome.says}  {first}{reached}",
                      flush=True)  # fmt: skip
    print(f"{killed} of {len(chosen)} mutants found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
