"""Saving tensors, state dicts and checkpoints to files, and loading them.

The native format is safetensors: names, types, shapes and bytes, and no code. Loading such a file
cannot run anything, and every framework reads the tensors in it. What is not a tensor is kept as
JSON in the file's metadata. Files of ``torch.save`` and of NumPy are read, too.
"""

from __future__ import annotations

import zipfile
from typing import IO, Any

from ._files import File, opened, unzipping, writing
from ._native import read_native, write_native
from ._numpy_files import MAGIC, read_array, read_arrays, write_array, write_arrays
from ._place import Memory, Placer, Unplaced, placer
from ._torch_files import read_archive
from ._torch_writer import write_archive
from ._unpickle import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals

__all__ = [
    "add_safe_globals", "clear_safe_globals", "get_safe_globals", "load", "safe_globals", "save",
]  # fmt: skip

_WRITERS = {
    "safetensors": write_native,
    "torch": write_archive,
    "npy": write_array,
    "npz": write_arrays,
}


def save(
    obj: Any,
    f: File,
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    *,
    format: str | None = None,
) -> None:
    """Write tensors, state dicts or whole checkpoints to a file.

    The file appears under its name only when it is complete and on the disk: a crash at any moment
    leaves the old one whole.

    Args:
        obj: a tensor, or dicts, lists, tuples and sets of tensors, numbers, texts, bytes, dtypes,
            devices and NumPy arrays, nested in any way. Objects of other classes are pickled, and
            load only with ``weights_only=False``.
        f: a path, or a file open for writing bytes.
        pickle_module, pickle_protocol: accepted for compatibility, like the flag after them.
        format: ``"safetensors"``, ``"torch"`` (a file for ``torch.load``; no objects of other
            classes), ``"npy"`` (one tensor) or ``"npz"`` (a dict of tensors). None is NumPy's for
            names that end in ``.npy`` and ``.npz``, safetensors for all others.

    Tensors that share memory share it again after loading, and the memory is written once. Which
    tensors are parameters, which require a gradient, and their devices are kept.

    Raises:
        TypeError: the format does not have such values, or an object cannot be pickled.
        ValueError: a container contains itself, or the format is unknown.
        FileNotFoundError: the folder does not exist.

    Differs from torch: the format is safetensors, whatever the name of the file. A view is saved
    without the rest of the memory that it looks at, unless that is saved too.

    Example:
        >>> import io
        >>> file = io.BytesIO()  # or a path such as "checkpoint.safetensors"
        >>> tp.save({"model": tp.nn.Linear(2, 3).state_dict(), "epoch": 3}, file)
        >>> checkpoint = tp.load(io.BytesIO(file.getvalue()))
        >>> checkpoint["epoch"], list(checkpoint["model"])
        (3, ['weight', 'bias'])
    """
    if format is None:
        suffix = str(getattr(f, "name", f)).lower()[-4:]
        format = suffix[1:] if suffix in (".npy", ".npz") else "safetensors"
    if format not in _WRITERS:
        raise ValueError(f"save: expected format to be one of {list(_WRITERS)}, got {format!r}")
    with writing(f) as file:
        _WRITERS[format](file, obj)


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read a file of :func:`save`, of ``torch.save``, of NumPy, or any safetensors file.

    Args:
        f: a path, or a file open for reading bytes.
        map_location: where the tensors go, which otherwise is the device that each was saved from:
            a device, a dict from names of devices to devices, or a function of
            ``(tensor, "cuda:0")``, a tensor on the cpu and the device it was saved from, that
            returns a tensor or None.
        pickle_module, pickle_load_args: accepted for compatibility.
        weights_only: False also loads pickled objects of any class, which can run any code: only
            for files that you trust. By default they are refused by name; see
            :func:`add_safe_globals`.
        mmap: map the file instead of reading it, so that values are read when they are used.
            Writing to the tensors does not change the file.

    Returns:
        What was saved; tensors by name for a safetensors file of another program.

    Raises:
        ValueError: the file is damaged, or of a format that is not read.
        pickle.UnpicklingError: it holds more than tensors and plain data.
        FileNotFoundError, IsADirectoryError: there is no such file.
        DeviceError: a device that tensors were saved from is not there.
        TypeError: ``f`` is neither a path nor a file, or an argument is of the wrong type.

    Differs from torch: a function as ``map_location`` gets the memory as a tensor, not a storage.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> tp.save([tp.ones(2), {"lr": 0.1}], file)
        >>> tp.load(io.BytesIO(file.getvalue()), map_location="cpu")
        [tensor([1., 1.]), {'lr': 0.1}]
    """
    with opened(f) as (name, file):
        place, memory = placer(map_location, name), Memory(file, name, f, bool(mmap))
        try:
            return _read(file, name, place, memory, weights_only is not False)
        except Unplaced as error:
            raise error.reason from error.reason.__cause__


def _read(file: IO[bytes], name: str, place: Placer, memory: Memory, weights_only: bool) -> Any:
    """The object in a file whose first bytes say what it is."""
    begin = file.tell()
    first = file.read(16)
    file.seek(begin)
    if first[8:9] == b"{":
        return read_native(file, name, place, memory, weights_only)
    if first[: len(MAGIC)] == MAGIC:
        return read_array(file, name, place)
    if first[:2] != b"PK":
        raise ValueError(
            f"load: expected a safetensors file, a checkpoint of torch.save, or a NumPy file, got "
            f"{name}, {_looks_like(file, first)}"
        )
    with unzipping(name):
        archive = zipfile.ZipFile(file)
    with archive:
        names = archive.namelist()
        if names and all(member.endswith(".npy") for member in names):
            return read_arrays(archive, name, place)
        return read_archive(file, archive, name, place, memory, weights_only)


def _looks_like(file: IO[bytes], first: bytes) -> str:
    if first[:1] == b"\x80":
        return (
            "a pickle: PyTorch's before 1.6, or Python's; load it there and save it again with "
            "torch.save"
        )
    if file.read(262)[257:] == b"ustar":
        return "a tar archive: PyTorch's before 0.2; load it there and save it with torch.save"
    return f"which begins with {first!r}" if first else "which is empty"
