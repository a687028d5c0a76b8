"""The generated type stubs: up to date, complete, and as precise as the registry allows."""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType

import pytest

import tensorplug as tp
from tensorplug._stubs import main, stubs

ROOT = Path(__file__).resolve().parent.parent
TEXTS = {path.relative_to(ROOT).as_posix(): text for path, text in stubs().items()}


@pytest.mark.parametrize("name", TEXTS)
def test_stub_is_up_to_date(name: str) -> None:
    written = (ROOT / name).read_text("utf-8").splitlines()
    expected = TEXTS[name].splitlines()
    missing = [line for line in expected if line not in written]
    extra = [line for line in written if line not in expected]
    assert written == expected, (
        f"{name} is stale: run `make stubs`; missing {missing[:3]}, not needed {extra[:3]}"
    )


def _declared(body: list[ast.stmt]) -> set[str]:
    """The names that a module or class of a stub declares."""
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname for alias in node.names if alias.asname}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_every_public_name_is_declared() -> None:
    declared = _declared(ast.parse(TEXTS["api/__init__.pyi"]).body)
    public = {
        name
        for name, value in vars(tp).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name != "annotations"
    }
    assert public - declared == set()
    assert {"nn", "optim", "autograd", "linalg", "device", "dtype", "float32", "pi"} <= declared


def test_every_method_is_declared() -> None:
    (body,) = (
        node.body
        for node in ast.parse(TEXTS["autograd/_tensor_methods.pyi"]).body
        if isinstance(node, ast.ClassDef)
    )
    (own,) = (
        node.body
        for node in ast.parse((ROOT / "autograd" / "tensor.py").read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == "Tensor"
    )
    declared = _declared(body) | _declared(own)
    public = {name for name in vars(tp.Tensor) if not name.startswith("_")}
    assert public - declared == set()
    assert {"add", "add_", "__mul__", "__getitem__", "item", "T"} <= declared


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("api/__init__.pyi", "def exp(input: Tensor, *, out: Tensor | None = None) -> Tensor: ..."),
        ("api/__init__.pyi", "device = Device"),
        ("api/__init__.pyi", "newaxis: None"),
        ("autograd/_tensor_methods.pyi", "    def exp_(self) -> Tensor: ..."),
        (
            "autograd/_tensor_methods.pyi",
            "    def __mul__(self, other: Tensor | builtins.complex) -> Tensor: ...",
        ),
    ],
)
def test_rows_are_typed(name: str, line: str) -> None:
    assert line in TEXTS[name].splitlines()


def test_main_writes_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tensorplug._stubs.stubs", lambda: {tmp_path / "a.pyi": "x: int\n"})
    assert main() == 0
    assert (tmp_path / "a.pyi").read_text("utf-8") == "x: int\n"
    assert capsys.readouterr().out == f"wrote {tmp_path / 'a.pyi'}\n"
