"""The cuda devices where there is no GPU: on a stand-in for CuPy, and what is said without one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tensorplug as tp
from tensorplug.backends import CapabilityError

ROOT = Path(__file__).resolve().parent.parent.parent
STAND_IN = str(Path(__file__).resolve().parent / "cupy_stand_in")

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="it compiles kernels")


def _pytest(*arguments: str, **environment: str) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": STAND_IN, **environment}, capture_output=True,
        text=True, timeout=900, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout[-6000:]


@needs_compiler
def test_the_tests_for_gpus_pass_on_the_stand_in() -> None:
    """In quick runs those of single kernels in two types only: each is compiled for each type."""
    quick = os.environ.get("TENSORPLUG_TEST_PROFILE", "quick") == "quick"
    _pytest("tests/cuda", *(("-k", "not (float16 or float64)") if quick else ()))


@needs_compiler
def test_the_conformance_suite_passes_on_the_stand_in() -> None:
    """A part of it, on the second device, where every kernel has to enter the right one."""
    functions = ("index_add", "softmax", "where", "linalg.solve", "topk", "scatter_reduce",
                 "nn.functional.conv2d", "floor_divide")  # fmt: skip
    chosen = [f"--function={name}" for name in functions]
    _pytest("--pyargs", "tensorplug.conformance", "--device", "cuda:1", *chosen,
            "-k", "test_l1_transfer or test_l2_forward or test_l3_inplace or test_l4_gradients",
            TENSORPLUG_CUDA_BLOCKING="1")  # fmt: skip


_LIST = """
import tensorplug as tp
row = next(row for row in tp.devices() if row.device.startswith("cuda"))
print(row.state, row.reason)
print(tp.cuda.is_available(), tp.cuda.device_count())
"""


def test_without_cupy_the_extra_is_named(run_python: Callable[..., str]) -> None:
    # A folder with this name and nothing in it is found by nobody.
    program = "import sys; sys.modules['cupy'] = None\n" + _LIST
    found = run_python(program)
    assert "pip install 'tensorplug[cuda13]' (or 'tensorplug[cuda12]'" in found
    assert found.endswith("False 0\n")


@pytest.mark.parametrize(("driver", "status", "text"), [
    (0, 35, "there is no NVIDIA driver on this machine, or it cannot be reached from here"),
    (12040, 35, "driver is too old: it serves CUDA 12.4, and this CuPy needs 13.2; update"),
    (13020, 100, "CUDA finds no GPU (no CUDA-capable device); CUDA_VISIBLE_DEVICES='9' may"),
])  # fmt: skip
def test_why_there_is_no_gpu(
    run_python: Callable[..., str], driver: int, status: int, text: str
) -> None:
    program = f"""
import cupy
cupy.cuda.fail(cupy.cuda.CUDARuntimeError({status}, "no CUDA-capable device"))
cupy.cuda.runtime.driverGetVersion = lambda: {driver}
"""
    found = run_python(program + _LIST, PYTHONPATH=STAND_IN, CUDA_VISIBLE_DEVICES="9")
    assert found.startswith("no device cuda: expected at least one device")
    assert text in found
    assert found.endswith("False 0\n")


def test_streams_are_a_capability() -> None:
    with pytest.raises(CapabilityError, match="Stream on cpu: expected a device with the capab"):
        tp.cuda.Stream("cpu")
    backend = tp.device("cpu").backend
    for ask in (
        lambda: backend.stream(0, 0), lambda: backend.current_stream(0),
        lambda: backend.event(True), lambda: backend.pin(None),
    ):  # fmt: skip
        with pytest.raises(CapabilityError, match="expected a backend with the capability"):
            ask()


def test_memory_cannot_be_pinned_for_nobody() -> None:
    if tp.accelerator.current_accelerator() is None:
        with pytest.raises(RuntimeError, match="pin_memory: expected an accelerator to pin memory"):
            tp.ones(2).pin_memory()
        assert not tp.ones(2).is_pinned()
