"""``python -m downstream``: try registered plugins with this tensorplug, take reports, write the
table. From ``tests``, or by ``make downstream``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .registry import RESULTS, add, table

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "support.md"
GATES = ("silent", "shown", "advisory", "blocking")


def plugins() -> dict[str, dict[str, str]]:
    """The registered plugins by name.

    Raises:
        ValueError: an entry lacks a field, or has another.
    """
    found = tomllib.loads((Path(__file__).parent / "plugins.toml").read_text("utf-8"))
    for name, plugin in found.items():
        if set(plugin) != {"requirement", "device", "level", "gate"}:
            raise ValueError(
                f"plugins.toml: {name}: expected requirement, device, level and gate, got "
                f"{', '.join(plugin)}"
            )
        if plugin["gate"] not in GATES:
            raise ValueError(
                f"plugins.toml: {name}: expected a gate of {', '.join(GATES)}, got {plugin['gate']}"
            )
    return found


def environment(folder: Path, requirement: str) -> Path:
    """The Python of a new environment with a plugin, over all that is installed in this one."""
    if not requirement:
        return Path(sys.executable)
    venv.create(folder, symlinks=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    paths = {scheme: sysconfig.get_path(scheme) for scheme in ("purelib", "platlib")}
    own = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    lines = [f"import site; site.addsitedir({path!r})\n" for path in sorted({*paths.values()})]
    (own / "here.pth").write_text("".join(lines), encoding="utf-8")
    local, how = ROOT / requirement, ["--upgrade"]
    if local.is_dir():  # building leaves files behind, and what it needs is here
        ignored = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
        requirement = str(shutil.copytree(local, folder / "source", ignore=ignored))
        how = ["--no-build-isolation", "--force-reinstall", "--no-deps"]
    subprocess.run(
        [sys.executable, "-m", "pip", f"--python={python}", "install", "--quiet",
         "--disable-pip-version-check", *how, requirement], check=True,
    )  # fmt: skip
    return python


def try_plugin(name: str, plugin: dict[str, str], folder: Path, words: list[str]) -> dict[str, Any]:
    """The report of a plugin; {} where none came about."""
    where = folder / name
    where.mkdir()
    try:
        python = environment(where / "env", plugin["requirement"])
    except subprocess.CalledProcessError as error:
        print(f"{name}: not installed: {error}")
        return {}
    subprocess.run(
        [str(python), "-m", "tensorplug", "conformance", "--device", plugin["device"],
         "--level", plugin["level"], "--json", "report.json", *words], cwd=where, check=False,
    )  # fmt: skip
    report = where / "report.json"
    return json.loads(report.read_text("utf-8")) if report.is_file() else {}


def watch(names: list[str], words: list[str], results: Path = RESULTS) -> int:
    """Try plugins; 1 if one that is blocking has lost its level."""
    status, every = 0, plugins()
    for name in names or list(every):
        if name not in every:
            raise ValueError(f"downstream: expected one of {', '.join(every)}, got {name}")
        plugin = every[name]
        with TemporaryDirectory() as folder:
            report = try_plugin(name, plugin, Path(folder), words)
        reached = report["about"][plugin["device"]]["reached"] if report else "nothing"
        kept = reached == plugin["level"]
        gate = plugin["gate"]
        print(f"{name} ({gate}): expected {plugin['level']}, reached {reached or 'no level'}")
        if report and gate != "silent":
            add(report, name, results)
        if not kept and gate == "advisory":
            print(f"warning: {name} has lost {plugin['level']}")
        status |= not kept and gate == "blocking"
    return int(status)


def main() -> int:
    """Run a command."""
    parser = argparse.ArgumentParser(prog="python -m downstream", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    watching = commands.add_parser("watch", help="try plugins, and write the table")
    watching.add_argument("names", nargs="*")
    watching.add_argument("--workers", default="2")
    adding = commands.add_parser("add", help="take a report of one device")
    adding.add_argument("report", type=Path)
    adding.add_argument("name")
    commands.add_parser("table", help="write the table only")
    args = parser.parse_args()
    status = 0
    try:
        if args.command == "watch":
            status = watch(args.names, ["-n", args.workers])
        elif args.command == "add":
            print(add(json.loads(args.report.read_text("utf-8")), args.name))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    PAGE.write_text(table(), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
