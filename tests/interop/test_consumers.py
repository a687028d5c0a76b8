"""What other libraries compute with our tensors, and what they do not, as docs/interop.md says."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import einops
import pytest

import tensorplug as tp

HERE = Path(__file__).parent
THOROUGH = os.environ.get("TENSORPLUG_TEST_PROFILE") == "thorough"


def _consumers() -> Any:
    spec = importlib.util.spec_from_file_location("consumers", HERE / "consumers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CONSUMERS = _consumers()
NAMES = {device: CONSUMERS.cases_for(device, THOROUGH) for device in ("cpu", "xla:0")}


@functools.cache
def results(device: str) -> dict[str, list[str]]:
    """All cases on one device, in a process of their own: SciPy reads its switch when imported."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(HERE / "consumers.py"), device, *NAMES[device]],
        env={**os.environ, "SCIPY_ARRAY_API": "1", "JAX_PLATFORMS": "cpu"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("device", "name"), [(device, name) for device, names in NAMES.items() for name in names]
)
def test_same_result_and_gradient_as_with_numpy(device: str, name: str) -> None:
    assert results(device)[name] == []


# --- what they refuse -----------------------------------------------------------------------------

_ROW = re.compile(r"^\| .*? \| (\S+) (\S+) `(\S+):(\d+)` \| `(.+?)` \|", re.M)
REFUSALS = _ROW.findall((HERE.parents[1] / "docs" / "interop.md").read_text("utf-8"))


def test_the_page_lists_refusals() -> None:
    assert len(REFUSALS) > 20


@pytest.mark.parametrize(("package", "release", "path", "line", "code"), REFUSALS)
def test_the_line_that_refuses(package: str, release: str, path: str, line: str, code: str) -> None:
    """In the release that the page names; in another one the line may have moved."""
    spec = importlib.util.find_spec(path.partition("/")[0])
    assert spec is not None
    assert spec.origin is not None
    text = (Path(spec.origin).parents[1] / path).read_text("utf-8")
    if version(package) == release:
        text = text.splitlines()[int(line) - 1]
    assert code in text


def test_what_einops_knows() -> None:
    with pytest.raises(RuntimeError, match="Tensor type unknown to einops"):
        einops.rearrange(tp.ones(2, 3), "a b -> b a")


def test_opt_einsum_uses_our_functions() -> None:
    x, y = tp.arange(6.0).reshape(2, 3), tp.ones(2, 4)
    assert tp.equal(tp.tensordot(x, y, axes=([0], [0])), x.t() @ y)
    assert tp.equal(tp.transpose(x, (1, 0)), x.t())
    with pytest.raises(TypeError, match="transpose: expected an integer as dim, got None"):
        tp.transpose(x, 0)
