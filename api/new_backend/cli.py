"""The ``tensorplug new-backend`` command."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path

from tensorplug.backends import TensorplugError
from tensorplug.backends.choosing import EXTRAS, RESERVED

from .library import Library, inspect
from .package import package_name, render, write

__all__ = ["add_arguments", "run"]

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options to ``parser``."""
    parser.add_argument("name", metavar="NAME", help="the device type, such as acme for acme:0")
    parser.add_argument(
        "--library", metavar="MODULE", required=True,
        help="the array library's import name, such as array_api_strict, torch or jax.numpy",
    )  # fmt: skip
    parser.add_argument(
        "--into", metavar="FOLDER", type=Path, help="where to write it (default: ./NAME)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the package and say what to do next.

    Raises:
        TensorplugError: the name cannot be a new device type, the folder is not empty, or the
            library has no array API namespace, or the folder cannot be written to.
    """
    check_name(args.name)
    folder = args.into if args.into is not None else Path(args.name)
    with _writing(folder):
        check_folder(folder)
    library = inspect(args.library)
    texts = render(args.name, library)
    with _writing(folder):
        write(folder, texts)
    sys.stdout.write(report(args.name, folder, library, list(texts)))
    return 0


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a new device type.

    Raises:
        TensorplugError: it is no name, it is reserved, or an installed plugin has it.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        near = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")[:_LONGEST]
        raise _error(
            "expected a device type of lower-case letters, digits and single underscores that "
            f"begins with a letter, at most {_LONGEST} characters, got {name[:80]!r}"
            + (f"; {near} would do" if near else ""),
            name,
        )
    owners = {
        point.dist.name
        for group in ("tensorplug.devices", "tensorplug")
        for point in entry_points(group=group, name=name)
        if point.dist is not None
    }
    if name in (*RESERVED, *EXTRAS) or "tensorplug" in owners:
        raise _error(
            f"expected a device type of your own, got {name!r}, which is one of tensorplug's; "
            f"choose another name, such as my_{name}",
            name,
        )
    if owners:
        owner = min(owners)
        raise _error(
            f"expected a device type that is not taken, got {name!r}, which the installed {owner} "
            f"provides; choose another name, or pip uninstall {owner}",
            name,
        )


def check_folder(folder: Path) -> None:
    """Refuse to write over anything.

    Raises:
        TensorplugError: the folder is a file, or has something in it.
    """
    if folder.is_dir():
        found = sorted(path.name for path in folder.iterdir())
        if found:
            more = ", ..." if len(found) > 3 else ""
            raise _error(
                f"expected a folder that is new or empty, got {folder}, which has "
                f"{', '.join(found[:3])}{more}; name another one with --into",
                str(folder),
            )
        return
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise _error(
                f"expected a folder, got {folder}, but {path} is a file; name another one with "
                "--into",
                str(folder),
            )


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Say in a line what the system has against a folder.

    Raises:
        TensorplugError: in place of its own errors.
    """
    try:
        yield
    except OSError as error:
        text = str(folder) if len(str(folder)) <= 100 else f"{str(folder)[:97]}..."
        raise _error(
            f"expected a folder that can be written to, got {text}: {error.strerror}; name another "
            "one with --into",
            str(folder),
        ) from error


def report(name: str, folder: Path, library: Library, paths: list[str]) -> str:
    """What was written, what was found out about the library, and what to do next."""
    lines = [f"wrote {folder}/"]
    lines += [f"  {path}" for path in paths]
    known = f"{library.distribution} {library.version}".strip()
    if library.problem:
        lines += [
            "",
            f"warning: {library.module} could not be tried here, so the backend is written for a "
            "library like NumPy:",
            f"  {library.problem}",
            f"  install it first (pip install {library.distribution}); then write the package "
            "again, or fill in what the library needs",
        ]
    else:
        lines += ["", f"{known} as {library.namespace}: {_devices(library)}"]
        if library.lacks:
            lines += [f"it has no {' and no '.join(library.lacks)}, so these are not declared"]
    lines += [
        "",
        "next:",
        f"  pip install -e {_shell(folder)}",
        f"  tensorplug conformance --device {name}:0 --level L2",
        f"and then read {folder / package_name(name) / 'backend.py'}",
    ]
    return "\n".join(lines) + "\n"


def _devices(library: Library) -> str:
    """How many devices were found."""
    if not library.inspects:
        return "it does not list its devices; one is used"
    count = len(library.devices)
    text = f"{count} device{'' if count == 1 else 's'}"
    return f"{text}, without {', '.join(library.skipped)}" if library.skipped else text


def _shell(folder: Path) -> str:
    """A folder as pip takes it for one, quoted for a shell."""
    plain = folder.is_absolute() or folder.parts[:1] == ("..",)
    return shlex.quote(str(folder) if plain else f"./{folder}")


def _error(text: str, got: str) -> TensorplugError:
    return TensorplugError(f"new-backend: {text}", op="new-backend", got=got)
