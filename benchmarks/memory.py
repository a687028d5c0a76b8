"""Memory of a training step: how far the process grows beyond model and data, in processes."""

from __future__ import annotations

import subprocess
import sys

from .libraries import libraries
from .measure import Group, Row, attempt

__all__ = ["memory"]

_PROGRAM = """
import ctypes, sys
from benchmarks import libraries, training

def kilobytes(key):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(key))

m, build = libraries.libraries()[sys.argv[1]], getattr(training, sys.argv[2])
training.step(m, build, 2)()  # imports and buffers of the library
step = training.step(m, build, int(sys.argv[3]))
ctypes.CDLL(None).malloc_trim(0)  # what making the data left behind does not count
before = kilobytes("VmRSS")
with open("/proc/self/clear_refs", "w") as reset:
    reset.write("5")  # the peak counts from here
for _ in range(3):
    step()
print(1024 * (kilobytes("VmHWM") - before))
"""


def _bytes(library: str, build: str, batch: int) -> float:
    command = [sys.executable, "-c", _PROGRAM, library, build, str(batch)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _row(name: str, build: str, batch: int) -> Row:
    def measure() -> dict[str, float]:
        return {
            library: min(_bytes(library, build, batch) for _ in range(2)) for library in libraries()
        }

    return attempt(name, measure)


def memory() -> Group:
    """Peak of three steps, as Linux with glibc tells it."""
    rows = [
        _row("MLP 784-500-10, batch 4096", "mlp", 4096),
        _row("CNN (LeNet), batch 1024", "cnn", 1024),
        _row("LSTM, batch 256", "lstm", 256),
        _row("transformer, batch 128", "transformer", 128),
    ]
    return Group("memory of a training step", rows, unit="B", target=1.2, each=True)
