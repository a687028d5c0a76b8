"""Files that are cut short, damaged or of other formats, and NumPy's files."""

from __future__ import annotations

import io
import json
import pickle
import random
import re
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors

import tensorplug as tp


def _file(header: Any, data: bytes = b"", length: int | None = None) -> io.BytesIO:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(text) if length is None else length
    return io.BytesIO(size.to_bytes(8, "little") + text + data)


def _row(shape: Any = (1,), offsets: Any = (0, 4), dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (_file(b"{" * 9, length=99), "invalid header length"),
        (_file(b"{nonsense"), "invalid JSON in header: key must be a string at line 1 column 2"),
        (_file(b'{"\xff":1}   '), "invalid UTF-8 in header"),
        (_file({"__metadata__": 3}), "integer `3`, expected a map"),
        (_file({"__metadata__": {"a": 3}}), "integer `3`, expected a string"),
        (_file({"a": 3, "b": "long enough"}), "integer `3`, expected struct TensorInfo"),
        (_file({"a": _row([-1])}, bytes(4)), "integer `-1`, expected usize"),
        (_file({"a": _row([1.0])}, bytes(4)), "floating point `1.0`, expected usize"),
        (_file({"a": _row([2])}, bytes(4)), "invalid shape, data type, or offset for tensor"),
        (_file({"a": _row(), "b": _row()}, bytes(4)), "invalid offset for tensor `[ab]`"),
        (_file({"a": _row([1], [4, 8])}, bytes(8)), "invalid offset for tensor `a`"),
        (_file({"a": _row()}, bytes(3)), "file not fully covered"),
        (_file({"a": _row()}, bytes(5)), "file not fully covered"),
        (_file({"a": _row(dtype="F99")}, bytes(4)), "unknown variant `F99`, expected one of"),
    ],
)
def test_damaged_safetensors(file: io.BytesIO, text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(file.getvalue())
    for source, name in ((file, "the file"), (path, str(path))):
        told = rf"a safetensors file, got {re.escape(name)}: .*{text}.*; it is damaged or cut short"
        with pytest.raises(ValueError, match=told) as caught:
            tp.load(source)
        assert isinstance(caught.value.__cause__, safetensors.SafetensorError)


def test_unknown_types_are_named() -> None:
    with pytest.raises(ValueError, match=r"load: expected one of .*, got F8_E8M0 at 'a'"):
        tp.load(_file({"a": _row([1], [0, 1], "F8_E8M0")}, b"\0"))


@pytest.mark.parametrize(
    ("structure", "text"),
    [
        ("not json", "JSONDecodeError"),
        ({}, "KeyError: 'tensors'"),
        ({"tensors": [], "tree": {"lambda": 1}}, "the unknown kind 'lambda'; a newer version"),
        ({"tensors": [], "tree": {"tensor": 0}}, "IndexError"),
        ({"tensors": [{"entry": "b"}], "tree": {"tensor": 0}}, "KeyError: 'b'"),
        ({"tensors": [{"entry": "a", "layout": [[9], [1], 0]}], "tree": {"tensor": 0}}, "within a"),
        ({"tensors": [], "tree": {"dtype": "nn"}}, "the type 'nn'"),
        ({"tensors": [], "tree": {"object": 0}}, "KeyError: '__pickle__'"),
        ({"tensors": [], "tree": []}, None),
    ],
)
def test_damaged_structures(structure: Any, text: str | None) -> None:
    metadata = {"tensorplug": structure if isinstance(structure, str) else json.dumps(structure)}
    file = _file({"__metadata__": metadata, "a": _row()}, bytes(4))
    if text is None:
        assert tp.load(file) == []
        return
    with pytest.raises(ValueError, match=rf"a checkpoint, got the file, whose structure .*{text}"):
        tp.load(file)


def test_data_at_odd_places_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    header = json.dumps({"a": _row()}).encode()
    header += b" " * ((1 - len(header)) % 4)
    path.write_bytes(_file(header, np.float32(2.5).tobytes()).getvalue())
    for mmap in (False, True):  # a map would not be aligned
        assert tp.load(path, mmap=mmap)["a"].tolist() == [2.5]


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tp.save({"a": tp.ones(5), "b": [tp.zeros(2), 1]}, path)
    content = path.read_bytes()
    for end in range(0, len(content), 7):
        path.write_bytes(content[:end])
        for mmap in (False, True):
            with pytest.raises(ValueError, match=r"x.safetensors"):
                tp.load(path, mmap=mmap)


def test_every_cut_of_a_torch_file_is_noticed() -> None:
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    torch.save({"a": torch.ones(5)}, file)
    for end in range(0, len(file.getvalue()) - 1, 29):
        with pytest.raises(ValueError, match=r"load: expected .*, got the file"):
            tp.load(io.BytesIO(file.getvalue()[:end]))


def test_changed_bytes_are_an_error_or_no_matter() -> None:
    torch = pytest.importorskip("torch")
    files = [io.BytesIO(), io.BytesIO()]
    torch.save({"a": torch.ones(5), "b": [torch.zeros(2, 3).t(), 1, "x"]}, files[0])
    tp.save({"a": tp.ones(5), "b": [tp.zeros(2, 3), 1, "x"]}, files[1])
    draw = random.Random(0)
    for content in (file.getvalue() for file in files):
        for _ in range(300):
            changed = bytearray(content)
            for _ in range(draw.choice([1, 3])):
                changed[draw.randrange(len(changed))] = draw.randrange(256)
            told = "load: "
            try:
                assert tp.load(io.BytesIO(changed), "cpu") is not None
            except (ValueError, pickle.UnpicklingError) as error:
                told = str(error)
            assert told.startswith("load: ")


def _zip(*members: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for member in members:
            archive.writestr(member, b"content")
    return file.getvalue()


def _tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("sys_info"))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "x.pt, which is empty"),
        (b"some text, long enough", "x.pt, which begins with b'some text, long"),
        (b"\x80\x02}q\x00.", "a pickle: PyTorch's before 1.6, or Python's; load it there"),
        (_tar(), "a tar archive: PyTorch's before 0.2; load it there"),
        (b"PK\x03\x04" + bytes(60), "a zip archive that is damaged or cut short"),
        (_zip("a/b"), "another zip archive; save model.state_dict"),
        (_zip("a/data.pkl", "a/constants.pkl"), "a TorchScript program; save model.state_dict"),
        (b"\x93NUMPY\x01\x00", "expected a NumPy array, got .*x.pt"),
        (_zip("a.npy"), "expected a NumPy array, got a.npy in .*x.pt"),
    ],
)
def test_other_files_are_refused(content: bytes, text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"load: expected a.*, got .*" + text.split("got ")[-1]):
        tp.load(path)


def test_old_files_of_torch_are_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "x.pt"
    torch.save({"a": torch.ones(1)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match=r"got .*x.pt, a pickle: PyTorch's before 1.6"):
        tp.load(path)


def test_wrong_files_and_arguments(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"expected a file that exists, got '.*none'"):
        tp.load(tmp_path / "none")
    with pytest.raises(IsADirectoryError, match=r"expected a file, got the folder"):
        tp.load(tmp_path)
    with pytest.raises(TypeError, match=r"load: expected a path or a file .*, got int"):
        tp.load(3)
    with pytest.raises(
        TypeError, match=r"save: expected a path or a file .*, got Tensor; the file"
    ):
        tp.save("x", tp.ones(1))  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match=r"save: expected a folder that exists, got .*none"):
        tp.save(tp.ones(1), tmp_path / "none" / "x")
    with pytest.raises(ValueError, match=r"format to be one of .*'npz'\], got 'onnx'"):
        tp.save(tp.ones(1), tmp_path / "x", format="onnx")


# --- NumPy's files -------------------------------------------------------------------------------


def test_numpy_files(tmp_path: Path) -> None:
    arrays = {"a": tp.arange(6).reshape(2, 3).t(), "b.c": tp.ones(2, dtype=tp.complex128)}
    tp.save(arrays, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as theirs:
        assert {name: theirs[name].tolist() for name in theirs} == {
            name: array.tolist() for name, array in arrays.items()
        }
    np.savez_compressed(tmp_path / "y.npz", a=np.arange(3.0), swapped=np.arange(3, dtype=">i4"))
    loaded = tp.load(tmp_path / "y.npz")
    assert loaded["a"].dtype is tp.float64
    assert loaded["swapped"].tolist() == [0, 1, 2]
    tp.save(tp.ones(2), tmp_path / "x.npy")
    assert np.load(tmp_path / "x.npy").tolist() == [1.0, 1.0]
    np.save(tmp_path / "x.npy", np.asfortranarray(np.arange(4).reshape(2, 2)))
    assert tp.load(tmp_path / "x.npy").tolist() == [[0, 1], [2, 3]]
    file = io.BytesIO()
    tp.save([1, 2], file, format="npy")
    assert np.load(io.BytesIO(file.getvalue())).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({1: tp.ones(1)}, "names of arrays in an .npz file, got 1"),
        ({"file": tp.ones(1)}, "names of arrays in an .npz file, got 'file'"),
        (tp.ones(1), "a dict of tensors for an .npz file, got Tensor; save a tensor as .npy"),
        ({"a": tp.ones(1).bfloat16()}, "tensors of types that NumPy's .*, got Tensor of bfloat16"),
        ({"a": {"b": 1}}, "tensors of types that NumPy's files have, got dict of object"),
    ],
)
def test_what_numpy_files_cannot_hold(value: Any, text: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=f"save: expected {text}"):
        tp.save(value, tmp_path / "x.npz")
    assert not list(tmp_path.iterdir())


def test_numpy_objects_are_not_run(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"a NumPy array, got .*x.npy: Object arrays cannot"):
        tp.load(tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", np.array(["text"]))
    with pytest.raises(TypeError, match=r"expected one of bool, .*<U4"):
        tp.load(tmp_path / "x.npy")
