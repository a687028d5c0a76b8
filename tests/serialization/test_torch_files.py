"""Files of torch.save: what is read from them, and what hostile ones cannot do."""

from __future__ import annotations

import collections
import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug import nn


def _archive(content: bytes, records: dict[str, bytes] | None = None) -> io.BytesIO:
    """A file as torch.save writes it, around any pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        for name, record in (records or {}).items():
            archive.writestr(f"archive/{name}", record)
    return io.BytesIO(file.getvalue())


@pytest.fixture(scope="module")
def checkpoint() -> Any:
    torch = pytest.importorskip("torch")
    base = torch.arange(12.0).reshape(3, 4)
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    optimizer = torch.optim.Adam(model.parameters(), amsgrad=True)
    model(torch.ones(4, 2)).square().sum().backward()
    optimizer.step()
    tagged = torch.ones(2)
    tagged.note = "an attribute"
    return {
        "base": base, "column": base[:, 1], "turned": base.t(), "empty": torch.zeros(0, 3),
        "expanded": torch.ones(1).expand(3), "scalar": torch.tensor(3), "tagged": tagged,
        "model": model.state_dict(), "optimizer": optimizer.state_dict(),
        "parameter": model[0].weight, "leaf": torch.ones(2, requires_grad=True),
        "conjugate": torch.tensor([1 + 2j]).conj(), "negative": torch.tensor([1 + 2j]).conj().imag,
        "types": [
            torch.tensor([0, 1, 1]).to(getattr(torch, name))
            for name in ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16",
                         "float32", "float64", "complex64", "complex128", "uint16", "uint64")
        ],
        "dtype": torch.bfloat16, "device": torch.device("cpu"), "size": base.shape,
        "plain": (1, 2.5, "text", None, True, b"\xff", bytearray(b"x"), 2**70, {1, 2}, 1j),
        "counter": collections.Counter("aab"),
    }  # fmt: skip


@pytest.mark.parametrize("mmap", [False, True])
def test_torch_checkpoints_are_read(checkpoint: Any, mmap: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "x.pt"
    torch.save(checkpoint, path)
    _compare(tp.load(path, mmap=mmap), checkpoint, torch)
    loaded = tp.load(path, mmap=mmap)
    loaded["base"][2, 1] = -5.0
    assert loaded["column"].tolist() == [1.0, 5.0, -5.0]
    assert loaded["turned"].stride() == (1, 4)
    assert isinstance(loaded["parameter"], nn.Parameter)
    assert loaded["leaf"].requires_grad
    assert loaded["model"]._metadata == checkpoint["model"]._metadata
    loaded["model"]["0.weight"][0, 0] = 7.0  # the parameter of the model
    assert loaded["parameter"][0, 0].item() == 7.0
    assert torch.load(path)["base"][2, 1].item() == 9.0


def _compare(ours: Any, theirs: Any, torch: Any, where: str = "") -> None:
    if isinstance(theirs, torch.Tensor):
        assert (str(ours.dtype)[11:], tuple(ours.shape)) == (str(theirs.dtype)[6:], theirs.shape)
        assert ours.tolist() == theirs.tolist(), where
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs), where
        for key in theirs:
            _compare(ours[key], theirs[key], torch, f"{where}.{key}")
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs), where
        for mine, other in zip(ours, theirs, strict=True):
            _compare(mine, other, torch, where)
    else:
        assert str(ours).replace("tensorplug", "torch") == str(theirs), where


def test_a_model_of_torch_goes_on_here(checkpoint: Any) -> None:
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    torch.save({key: checkpoint[key] for key in ("model", "optimizer")}, file)
    file.seek(0)
    loaded = tp.load(file)
    model = nn.Linear(2, 3)
    model.load_state_dict({name: loaded["model"][f"0.{name}"] for name in ("weight", "bias")})
    assert model.weight.tolist() == checkpoint["model"]["0.weight"].tolist()
    assert loaded["optimizer"]["state"][0]["step"].item() == 1.0


def test_map_location_sees_each_storage_once(checkpoint: Any) -> None:
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    torch.save([checkpoint["base"], checkpoint["column"]], file)
    asked = []
    found = tp.load(io.BytesIO(file.getvalue()), lambda x, where: asked.append(where) or x)
    assert asked == ["cpu"]
    assert found[0].untyped_storage() == found[1].untyped_storage()
    with pytest.raises(KeyError, match="mine"):  # not mistaken for damage
        tp.load(io.BytesIO(file.getvalue()), lambda x, where: {}["mine"])


def test_devices_of_torch() -> None:
    content = _tensor(b"K\x02\x85", b"K\x01\x85").replace(b"cpu", b"mps") + b"."
    records = {"data/0": bytes(8)}
    with pytest.raises(RuntimeError, match=r"expected the device 'mps'.*map_location='cpu'"):
        tp.load(_archive(content, records))
    assert tp.load(_archive(content, records), {"mps": "cpu"}).tolist() == [0.0, 0.0]


def test_parts_of_torch_without_counterpart_are_named() -> None:
    torch = pytest.importorskip("torch")
    for value, name in (
        (torch.nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
        (torch.eye(2).to_sparse(), "torch._utils._rebuild_sparse_tensor"),
        (torch.zeros(1).to(torch.float8_e4m3fn), "torch.float8_e4m3fn"),
    ):
        file = io.BytesIO()
        torch.save([value], file)
        for weights_only in (True, False):
            text = rf"asks for {name}, a part of PyTorch that has no counterpart here; save a state"
            with pytest.raises(pickle.UnpicklingError, match=text):
                tp.load(io.BytesIO(file.getvalue()), weights_only=weights_only)


# --- hostile files -------------------------------------------------------------------------------


class Asks:
    """Pickles as a call of any function."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ((os.system, ("touch hacked",)), "posix.system"),
        ((eval, ("1",)), "builtins.eval"),
        ((getattr, (1, "real")), "builtins.getattr"),
        ((collections.defaultdict, (list,)), "collections.defaultdict"),
        ((__import__, ("os",)), "builtins.__import__"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_calls_are_refused_by_name(
    call: Any, name: str, protocol: int, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    file = _archive(pickle.dumps({"x": Asks(*call)}, protocol))
    with pytest.raises(pickle.UnpicklingError, match=rf"which asks for {name}: that may run any"):
        tp.load(file)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"(i__main__\nX\n.", "the pickle instruction INST"),
        (b"(cbuiltins\nset\no.", "the pickle instruction OBJ"),
        (b"Pname\n.", "the pickle instruction PERSID"),
        (b"\x82\x01.", "the pickle instruction EXT1"),
        (b"N)R.", "a call of None"),
        (b"ctorch\nSize\n)R(K\x01tR.", r"a call of tensorplug.Size\(\[\]\)"),
        (b"N)\x81.", "a call of None"),
        (b"N)}\x92.", "a call of None"),
        (b"ctorch\nSize\n}X\x01\0\0\0aK\x01sb.", "setting attributes of type"),
        (
            b"ctorch._utils\n_rebuild_tensor_v2\nN}X\x0c\0\0\0__defaults__NsX\0\0\0\0\x86b.",
            "setting",
        ),
    ],
)
def test_other_instructions_are_refused(content: bytes, text: str) -> None:
    with pytest.raises(pickle.UnpicklingError, match=rf"which asks for {text}"):
        tp.load(_archive(content))


STORAGE = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02tQ"


def _tensor(
    size: bytes, stride: bytes, offset: bytes = b"K\0", build: bytes = b"tensor_v2"
) -> bytes:
    call = b"ctorch._utils\n_rebuild_" + build + b"\n("
    return call + STORAGE + offset + size + stride + b"\x89NtR."


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", r"damaged \(EOFError"),
        (b"\x80\x02}", r"damaged \(EOFError"),
        (b"h\x07.", "Memo value not found at index 7"),
        (b"c_codecs\nencode\n(X\x01\0\0\0aX\x03\0\0\0hextR.", "the encoding latin1, got 'hex'"),
        (_tensor(b"K\x03\x85", b"K\x01\x85"), "elements within a storage of 2, got size"),
        (_tensor(b"K\x01\x85", b"K\x01\x85", b"J\xff\xff\xff\xff"), "reach from -1 to -1"),
        (_tensor(b"J\xff\xff\xff\xff\x85", b"K\x01\x85"), "sizes that are not negative"),
        (STORAGE.replace(b"K\x02", b"K\x09") + b".", "8 bytes in 'archive/data/0' where 36 were"),
        (STORAGE.replace(b"\x000", b"\x007") + b".", "no record 'archive/data/7'"),
        (STORAGE.replace(b"X\x03\0\0\0cpu", b"K\x05") + b".", "name of a device, got 5"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n(NK\0))\x89NtR.", "expected a storage, got NoneType"),
        (b"ctorch._tensor\n_rebuild_from_type_v2\n(cbuiltins\nset\nN)}tR.", "that makes tensors"),
    ],
)
def test_damaged_pickles(content: bytes, text: str) -> None:
    file = _archive(content, {"data/0": bytes(8)})
    with pytest.raises(ValueError, match=rf"expected a checkpoint, got the file, whose .*{text}"):
        tp.load(file)


@pytest.mark.parametrize("mmap", [False, True])
def test_records_beyond_the_end_of_the_file(mmap: bool, tmp_path: Path) -> None:
    content = _tensor(b"K\x02\x85", b"K\x01\x85")
    whole = _archive(content, {"data/0": bytes(8)}).getvalue()
    start = whole.index(b"archive/data/0") - 2  # the length of the extra field
    (tmp_path / "x.pt").write_bytes(whole[:start] + b"\xff\xff" + whole[start + 2 :])
    with pytest.raises(ValueError, match=r"expected 8 bytes from byte \d+ of .*x.pt, got 0; it is"):
        tp.load(tmp_path / "x.pt", mmap=mmap)


def test_pickles_made_by_hand_are_read() -> None:
    assert tp.load(_archive(_tensor(b"K\x02\x85", b"K\x01\x85"), {"data/0": bytes(8)})).shape == (
        2,
    )
    swapped = {"data/0": b"\x3f\x80\0\0\0\0\0\0", "byteorder": b"big"}
    loaded = tp.load(_archive(_tensor(b"K\x02\x85", b"K\x01\x85"), swapped))
    assert loaded.tolist() == [1.0, 0.0]


def test_trusted_pickles_run(tmp_path: Path) -> None:
    content = pickle.dumps({"x": Asks(collections.defaultdict, (list,))})
    assert tp.load(_archive(content), weights_only=False)["x"]["new"] == []
    with tp.serialization.safe_globals([collections.defaultdict, list]):
        assert tp.load(_archive(content))["x"]["new"] == []
    state = collections.OrderedDict(a=1)
    state.note = "kept"  # type: ignore[attr-defined]
    assert tp.load(_archive(pickle.dumps(state))).note == "kept"


# --- writing for PyTorch -------------------------------------------------------------------------


@pytest.mark.parametrize("mmap", [False, True])
def test_torch_reads_what_is_written_for_it(checkpoint: Any, mmap: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save(checkpoint, tmp_path / "theirs.pt")
    ours = tp.load(tmp_path / "theirs.pt")
    tp.save(ours, tmp_path / "ours.pt", format="torch")
    theirs = torch.load(tmp_path / "ours.pt", mmap=mmap)
    _compare(ours, theirs, torch)
    _compare(tp.load(tmp_path / "ours.pt", mmap=mmap), theirs, torch)
    assert isinstance(theirs["parameter"], torch.nn.Parameter)
    assert theirs["leaf"].requires_grad
    assert theirs["turned"].stride() == (1, 4)
    theirs["base"][2, 1] = -5.0
    assert theirs["column"].tolist() == [1.0, 5.0, -5.0]


def test_our_state_dicts_and_layouts_for_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "x.pt"
    model = nn.Sequential(nn.Linear(2, 3))
    flipped = tp.from_numpy(np.arange(3.0)[::-1])  # PyTorch has no negative strides
    tp.save({"model": model.state_dict(), "flipped": flipped}, path, format="torch")
    theirs = torch.load(path)
    assert type(theirs["model"]) is collections.OrderedDict
    assert theirs["model"]._metadata == model.state_dict()._metadata
    assert theirs["flipped"].tolist() == [2.0, 1.0, 0.0]
    other = torch.nn.Sequential(torch.nn.Linear(2, 3))
    other.load_state_dict(theirs["model"])
    assert other[0].weight.tolist() == model[0].weight.tolist()
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:  # records begin where they can be mapped
        for info in archive.infolist():
            name, gap = struct.unpack_from("<HH", content, info.header_offset + 26)
            assert (info.header_offset + 30 + name + gap) % 64 == 0


def test_objects_are_not_written_for_torch() -> None:
    text = r"plain data with format='torch', got tensorplug.nn.linear.Linear; save a state dict"
    with pytest.raises(TypeError, match=text):
        tp.save([nn.Linear(1, 1)], io.BytesIO(), format="torch")
