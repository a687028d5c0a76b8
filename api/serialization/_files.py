"""Opening files to read, and writing them so that a crash leaves the old one whole."""

from __future__ import annotations

import io
import os
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

__all__ = ["File", "Partial", "opened", "unzipping", "writing"]

File = str | os.PathLike[str] | IO[bytes]


class Partial(io.BufferedWriter):
    """A file of ours beside its target; another one may be put in its place, by its name."""


@contextmanager
def writing(f: File) -> Iterator[IO[bytes]]:
    """A file to write to; what a path names is replaced when all is written, or not at all.

    Raises:
        FileNotFoundError: the folder does not exist.
        TypeError: ``f`` is neither a path nor a file.
    """
    if not isinstance(f, (str, os.PathLike)):
        if not hasattr(f, "write"):
            raise TypeError(
                "save: expected a path or a file open for writing bytes, got "
                f"{type(f).__name__}; the file is the second argument"
            )
        yield f
        return
    target = Path(os.path.realpath(f))  # through links, which os.replace would overwrite
    if not target.parent.exists():
        raise FileNotFoundError(
            f"save: expected a folder that exists, got '{Path(f).parent}'; make it first, with "
            "os.makedirs"
        )
    if target.exists() and not target.is_file():  # /dev/null, a pipe: nothing to replace
        with target.open("wb") as file:
            yield file
        return
    partial = target.with_name(f"{target.name}.{os.getpid()}-{threading.get_ident()}.partial")
    try:
        with Partial(io.FileIO(partial, "w")) as file:
            mode = (target if target.exists() else partial).stat().st_mode
            yield file
        with partial.open("rb+") as written:
            os.fsync(written.fileno())
        partial.chmod(stat.S_IMODE(mode))
        partial.replace(target)
        _sync_folder(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a loss of power, where the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def opened(f: Any) -> Iterator[tuple[str, IO[bytes]]]:
    """A file to read and to seek in, with the name to use in errors.

    Raises:
        FileNotFoundError, IsADirectoryError: there is no such file.
        TypeError: ``f`` is neither a path nor a file.
    """
    if isinstance(f, (str, os.PathLike)):
        name = os.fspath(f)
        if Path(f).is_dir():
            raise IsADirectoryError(
                f"load: expected a file, got the folder {name!r}; name a file inside it"
            )
        if not Path(f).exists():
            raise FileNotFoundError(
                f"load: expected a file that exists, got {name!r}; check the path, which starts at "
                f"'{Path.cwd()}' unless it is absolute"
            )
        with Path(f).open("rb") as file:
            yield name, file
    elif not hasattr(f, "read"):
        raise TypeError(
            f"load: expected a path or a file open for reading bytes, got {type(f).__name__}; "
            "give the file's name"
        )
    else:
        seekable = hasattr(f, "seek") and (not hasattr(f, "seekable") or f.seekable())
        yield str(getattr(f, "name", "the file")), f if seekable else io.BytesIO(f.read())


@contextmanager
def unzipping(name: str) -> Iterator[None]:
    """Whatever a damaged archive makes ``zipfile`` raise becomes one error.

    Raises:
        ValueError: the archive cannot be read.
    """
    try:
        yield
    except _ZIP_DAMAGE as error:
        raise ValueError(
            f"load: expected a checkpoint, got {name}, a zip archive that is damaged or cut short "
            f"({error}); copy it again"
        ) from error


_ZIP_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, ArithmeticError, EOFError, LookupError, OSError,
    RuntimeError, ValueError,
)  # fmt: skip
