"""The command ``tensorplug``: the table of devices, and how subcommands are found."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tensorplug import cli
from tensorplug._version import __version__
from tensorplug.backends import TensorplugError


def test_devices_are_printed_with_those_that_fail(site: Any) -> None:
    site.add("acme", "thing = plugin_thing", "raise ValueError('boom')")
    spec = "BackendSpec('gizmo', 'x:Y', requires='no_lib', install='pip install a[b]')"
    source = "from tensorplug.backends import *\n@hookimpl\ndef tensorplug_backends():\n"
    site.add("gizmo-plugin", "gizmo = plugin_gizmo", f"{source}    return [{spec}]")
    done = site.run("-m", "tensorplug", "devices")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["device", "state", "plugin", "array", "library", "memory"]
    assert ["cpu", "available", "tensorplug"] in [line[:3] for line in lines]
    assert ["gizmo", "not", "installed", "gizmo-plugin", "1.2", "(gizmo)", "no_lib"] in lines
    assert ["thing", "failed", "acme", "1.2", "(thing)"] in lines
    assert (
        "\ngizmo: expected the array library no_lib, but it is not installed; pip install a[b]\n"
        in done.stdout
    )
    assert (
        "\nthing: expected a plugin that can be imported, got ValueError: boom\n  plugin 'thing' "
        "of acme 1.2, phase 'import'; to go without it, set TENSORPLUG_DISABLE_PLUGINS=acme\n"
        in done.stdout
    )
    rows = json.loads(site.run("-m", "tensorplug", "devices", "--json").stdout)
    assert {row["plugin"]: row["state"] for row in rows} | {"thing": "failed"} == {
        row["plugin"]: row["state"] for row in rows
    }
    assert set(rows[0]) == {
        "device", "state", "plugin", "distribution", "version", "library", "library_version",
        "memory", "reason",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("memory", "text"),
    [
        ({}, ""),
        ({"free": 2**30, "total": 2**34}, "1.0 of 16.0 GiB free"),
        ({"allocated": 2**29}, "0.5 GiB allocated"),
    ],
)
def test_memory_column(memory: dict[str, int], text: str) -> None:
    assert cli._memory(memory) == text


def test_table_in_a_narrow_terminal_loses_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    row = cli.DeviceInfo("acme:0", "available", "mine", "", "", "acme", "1.0", reason="a remark")
    cli._print_table([row])
    printed = capsys.readouterr().out
    assert "available" in printed
    assert "acme:0: a remark" in printed


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"tensorplug {__version__}\n"


@pytest.mark.parametrize("words", [[], ["nothing"], ["devices", "--nothing"]])
def test_misuse(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2
    assert "usage: tensorplug" in capsys.readouterr().err


def _module(**members: Any) -> Any:
    module = type(sys)("chosen")
    vars(module).update(members)
    return module


def test_subcommand_is_imported_when_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = _module(
        add_arguments=lambda parser: parser.add_argument("--size", type=int),
        run=lambda args: args.size,
    )
    monkeypatch.setitem(sys.modules, "chosen", chosen)
    commands = {"pick": cli.Command("picks", "chosen"), "no": cli.Command("no", "never_there")}
    monkeypatch.setattr(cli, "COMMANDS", commands)
    assert cli.main(["pick", "--size", "7"]) == 7


def test_errors_of_ours_are_printed_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(args: Any) -> int:
        raise TensorplugError("demo: expected this, got that")

    chosen = _module(add_arguments=lambda parser: None, run=run)
    monkeypatch.setitem(sys.modules, "chosen", chosen)
    monkeypatch.setattr(cli, "COMMANDS", {"pick": cli.Command("picks", "chosen")})
    assert cli.main(["pick"]) == 1
    assert capsys.readouterr().err == "tensorplug: demo: expected this, got that\n"


def test_missing_library_of_a_subcommand_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = {"pick": cli.Command("picks", "never_there", "conformance")}
    monkeypatch.setattr(cli, "COMMANDS", commands)
    assert cli.main(["pick"]) == 1
    assert capsys.readouterr().err == (
        "tensorplug: pick: expected the module never_there, but it is not installed; "
        "pip install 'tensorplug[conformance]'\n"
    )
    for command in (("tensorplug.never_there", "conformance"), ("never_there", "")):
        monkeypatch.setattr(cli, "COMMANDS", {"pick": cli.Command("picks", *command)})
        with pytest.raises(ModuleNotFoundError):
            cli.main(["pick"])
