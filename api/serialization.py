"""Saving state dicts to safetensors files, and loading them.

A safetensors file holds names, types, shapes and bytes, and no code: loading one cannot run
anything, and every framework reads it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor
from tensorplug.backends import dtypes

__all__ = ["load", "save"]

_CODES = {
    "BOOL": dtypes.bool_,
    "U8": dtypes.uint8,
    "I8": dtypes.int8,
    "U16": dtypes.uint16,
    "I16": dtypes.int16,
    "U32": dtypes.uint32,
    "I32": dtypes.int32,
    "U64": dtypes.uint64,
    "I64": dtypes.int64,
    "F16": dtypes.float16,
    "BF16": dtypes.bfloat16,
    "F32": dtypes.float32,
    "F64": dtypes.float64,
    "C64": dtypes.complex64,
}
"""The format's codes of our types; it has none for complex128."""

_SAVEABLE = {dtype.name for dtype in _CODES.values()}

File = str | os.PathLike[str] | IO[bytes]


def save(obj: Mapping[str, Tensor], f: File) -> None:
    """Write a state dict, a flat dict of tensors, to a safetensors file.

    The file appears under its name only when it is complete, so an interrupted run leaves the
    old one in place.

    Args:
        obj: tensors by name, of any shapes and devices, for example ``model.state_dict()``.
        f: a path, or a file open for writing bytes.

    Raises:
        TypeError: ``obj`` is no flat dict of tensors, or a type is not in the format (complex128).
        FileNotFoundError: the folder does not exist.

    Differs from torch: only flat dicts of tensors are saved; tied tensors are written twice.

    Example:
        >>> import io
        >>> file = io.BytesIO()  # or a path such as "linear.safetensors"
        >>> tp.save(tp.nn.Linear(2, 3).state_dict(), file)
        >>> sorted(tp.load(io.BytesIO(file.getvalue())))
        ['bias', 'weight']
    """
    from safetensors import numpy as safetensors_numpy

    arrays = {name: _to_array(name, tensor) for name, tensor in _checked(obj).items()}
    metadata = {"format": "pt"}  # what readers for PyTorch look for; the layout is the same
    if not isinstance(f, (str, os.PathLike)):
        f.write(safetensors_numpy.save(arrays, metadata))
        return
    target = Path(os.path.realpath(f))  # through links, which os.replace would overwrite
    if not target.parent.exists():
        raise FileNotFoundError(
            f"save: expected a folder that exists, got '{Path(f).parent}'; make it first, with "
            "os.makedirs"
        )
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(safetensors_numpy.save(arrays, metadata))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def load(f: File, map_location: Any = None, *, weights_only: bool = True) -> dict[str, Tensor]:
    """Read a dict of tensors from a safetensors file, whoever wrote it.

    Args:
        f: a path, or a file open for reading bytes.
        map_location: where the tensors go: a device (``"cuda:0"``), a dict with the key
            ``"cpu"``, or a function of ``(tensor, "cpu")`` that returns a tensor.
        weights_only: always true of this format, which holds no code; False changes nothing.

    Returns:
        The tensors by name.

    Raises:
        ValueError: the file is not in the safetensors format or is damaged.
        FileNotFoundError, IsADirectoryError: there is no such file.
        TypeError: ``f`` is neither a path nor a file.

    Differs from torch: tensors load to the CPU, wherever they were when saved.
    """
    from safetensors import SafetensorError, deserialize

    if isinstance(f, (str, os.PathLike)):
        name, content = os.fspath(f), _bytes_of(f)
    elif not hasattr(f, "read"):
        raise TypeError(
            f"load: expected a path or a file open for reading bytes, got {type(f).__name__}; "
            "give the file's name"
        )
    else:
        name, content = str(getattr(f, "name", "the file")), f.read()
    try:
        entries = deserialize(content)  # type: ignore[no-untyped-call]  # compiled, no stubs
    except SafetensorError as error:
        raise ValueError(
            f"load: expected a safetensors file, got {name}, {_looks_like(content)} ({error})"
        ) from error
    place = _placer(map_location)
    return {key: place(_to_tensor(name, key, entry)) for key, entry in entries}


def _bytes_of(path: str | os.PathLike[str]) -> bytes:
    name = os.fspath(path)
    if Path(path).is_dir():
        raise IsADirectoryError(
            f"load: expected a file, got the folder {name!r}; name a file inside it"
        )
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"load: expected a file that exists, got {name!r}; check the path, which starts at "
            f"'{Path.cwd()}' unless it is absolute"
        ) from None


def _checked(obj: Any) -> Mapping[str, Tensor]:
    later = "nested checkpoints are not supported yet, save a flat dict of tensors"
    if not isinstance(obj, Mapping):
        raise TypeError(
            f"save: expected a dict of str to Tensor, got {type(obj).__name__}; {later}, "
            "for example model.state_dict()"
        )
    wrong = [
        f"{type(value).__name__} at {key!r}"
        for key, value in obj.items()
        if not (isinstance(key, str) and isinstance(value, Tensor))
    ]
    if wrong:
        raise TypeError(
            f"save: expected a dict of str to Tensor, got {', '.join(wrong[:5])}"
            f"{', ...' if len(wrong) > 5 else ''}; {later}"
        )
    return obj


def _to_array(name: str, tensor: Tensor) -> np.ndarray:
    array: np.ndarray = np.asarray(tensor.detach().cpu().numpy(), None, "C")
    if array.dtype.name not in _SAVEABLE:
        raise TypeError(
            f"save: expected one of {', '.join(sorted(_SAVEABLE))}, got {array.dtype.name} at "
            f"{name!r}; save its real and imaginary part, see tp.view_as_real"
        )
    return array


def _to_tensor(file: str, key: str, entry: Mapping[str, Any]) -> Tensor:
    dtype = _CODES.get(entry["dtype"])
    if dtype is None:
        raise ValueError(
            f"load: expected one of the types {', '.join(_CODES)}, "
            f"got {entry['dtype']} at {key!r} in {file}"
        )
    if not len(entry["data"]):  # np.frombuffer refuses an empty buffer
        return tp.from_numpy(np.empty(entry["shape"], dtype.numpy))
    array = np.frombuffer(entry["data"], dtype.numpy).reshape(entry["shape"])
    return tp.from_numpy(array)


def _placer(map_location: Any) -> Callable[[Tensor], Tensor]:
    if isinstance(map_location, Mapping):
        map_location = map_location.get("cpu")
    if map_location is None:
        return lambda tensor: tensor
    if callable(map_location) and not isinstance(map_location, tp.device):
        return lambda tensor: _or_same(map_location(tensor, "cpu"), tensor)
    device = tp.device(map_location)
    return lambda tensor: tensor.to(device)


def _or_same(result: Any, tensor: Tensor) -> Tensor:
    return result if isinstance(result, Tensor) else tensor


def _looks_like(content: bytes) -> str:
    if content[:2] == b"PK":
        return "a zip archive: files of torch.save must be converted, with safetensors.torch"
    if content[:1] == b"\x80":
        return "a pickle: for safety, pickles are not loaded"
    return f"{len(content)} bytes of something else"
