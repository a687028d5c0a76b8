"""The HTML report, looked at in a real browser: headless Chromium draws it, we read what it drew.

The browser is no Python package. Where there is none, these tests are skipped, unless
``TENSORPLUG_REQUIRE_BROWSER`` is set, as ``.ci/run`` does after installing one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tensorplug.conformance.page import render
from tensorplug.conformance.report import complete, document

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next((found for name in BROWSERS if (found := shutil.which(name))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

needs_browser = pytest.mark.skipif(
    BROWSER is None and "TENSORPLUG_REQUIRE_BROWSER" not in os.environ,
    reason="no Chromium on this machine",
)


def result(function: str | None, dtype: str | None, outcome: str, **more: Any) -> dict[str, Any]:
    name = "test_values" if function else "test_rule"
    test = f"test_l2_forward.py::{name}[{function}-{dtype}-cpu]"
    found = {
        "test": test, "file": "test_l2_forward.py", "name": name, "level": "L2", "device": "cpu",
        "function": function, "dtype": dtype, "outcome": outcome, "seconds": 0.25,
        "candidate": False,
    }  # fmt: skip
    return complete([{**found, **more}])[0]


RESULTS = [
    result("exp", "float32", "passed"),
    result(
        "exp",
        "float64",
        "failed",
        problem="expected 1.0 at (0,), got </script> 2.0",
        call="exp(tp.tensor([0.0]))",
        kernel="kernel 'exp' of acme",
        reproduce="import tensorplug as tp\nargs = 0\nprint(tp.exp(*args))",
    ),
    result("fft.fft", "complex64", "not supported"),
    result("erf", "float32", "on the host"),
    result(None, None, "passed"),
]


ERRORS = {"cpu": {"exp": {"float32": {"counts": [7, 6, 5, 4, 3, 2], "allowed": {"ulps": 6.0}}}}}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = {
        "profile": "quick",
        "seed": 0,
        "selection": {},
        "stopped": False,
        "level": "L2",
        "assume_all": False,
        "chosen": 7,
        "expected": {},
        "errors": ERRORS,
    }
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(document(RESULTS, ["cpu"], run)), "utf-8")
    return path


def drawn(page: Path, state: str = "") -> str:
    """The page as text, a line per table row, as the browser made it."""
    assert BROWSER is not None, "TENSORPLUG_REQUIRE_BROWSER is set, but there is no Chromium"
    done = subprocess.run(
        [BROWSER, *FLAGS, f"--user-data-dir={page.parent / 'profile'}", "--dump-dom",
         f"file://{page}{state}"],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    body = re.sub(r"<script.*?</script>", "", done.stdout, flags=re.DOTALL)
    lines = re.sub(r"</tr>|</div>|</p>|</pre>|</h2>", "\n", body)
    return re.sub(r"<[^>]+>", " ", lines)


def rows(text: str) -> dict[str, str]:
    """The rows of the matrix by function."""
    matrix = text.partition("Functions by type")[2].partition("Tests of no function")[0]
    found = [line.split(maxsplit=1) for line in matrix.splitlines() if re.search("[✓✗○h] 1", line)]
    return {line[0]: " ".join(line[1].split()) for line in found if len(line) == 2}


def test_the_page_needs_no_other_file(page: Path) -> None:
    text = page.read_text("utf-8")
    assert not re.findall(r"""(?:src|href)=|@import|url\(|fetch\(""", text)
    assert "https://" not in text


@needs_browser
def test_the_matrix_shows_each_function_by_type(page: Path) -> None:
    text = drawn(page)
    found = rows(text)
    assert found == {"erf": "h 1", "exp": "✓ 1 ✗ 1", "fft.fft": "○ 1"}
    assert "3 of 3 functions" in text
    assert "numpy" in text  # the library under test, in the table of devices
    assert "test_rule" in text.partition("Tests of no function")[2]


@needs_browser
def test_the_page_says_what_was_not_run(page: Path) -> None:
    told = drawn(page).partition("Repair first")[0]
    assert "of 7 tests only 5 were run: no level is reached that way." in told


@needs_browser
def test_a_cell_says_how_large_its_errors_are(page: Path) -> None:
    assert BROWSER is not None
    words = [BROWSER, *FLAGS, f"--user-data-dir={page.parent / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [*words, f"file://{page}"], capture_output=True, text=True, check=True, timeout=120
    )
    title = (
        "exp float32: passed; error in units in the last place: "
        "0: 7, up to 0.5: 6, 1: 5, 2: 4, 4: 3, more: 2 elements; allowed: ulps 6"
    )
    assert f'title="{title}"' in done.stdout
    assert 'title="exp float64: failed"' in done.stdout


@needs_browser
def test_filters_choose_what_is_shown(page: Path) -> None:
    failed = drawn(page, "#device=cpu&outcome=failed")
    assert rows(failed) == {"exp": "✓ 1 ✗ 1"}
    assert "1 of 3 functions" in failed
    searched = drawn(page, "#search=fft")
    assert rows(searched) == {"fft.fft": "○ 1"}
    assert rows(drawn(page, "#level=L0")) == {}


@needs_browser
def test_a_failure_is_shown_with_code_to_repeat_it(page: Path) -> None:
    first = drawn(page).partition("Repair first")[2].partition("Functions by type")[0]
    for part in (
        "test_l2_forward.py::test_values[exp-float64-cpu]",
        "expected 1.0 at (0,)",
        "exp(tp.tensor([0.0]))",
        "kernel 'exp' of acme",
        "print(tp.exp(*args))",
    ):
        assert part in first
    assert "&lt;/script&gt; 2.0" in first  # values cannot break out of the page


@needs_browser
def test_a_screenshot_is_no_empty_page(page: Path) -> None:
    assert BROWSER is not None
    picture = page.with_suffix(".png")
    subprocess.run(
        [BROWSER, *FLAGS, f"--user-data-dir={page.parent / 'profile'}",
         f"--screenshot={picture}", "--window-size=1200,900", f"file://{page}"],
        capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert picture.stat().st_size > 20_000
