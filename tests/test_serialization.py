"""tp.save and tp.load: round trips, safe writing, and what they refuse."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import tensorplug as tp
from tensorplug import nn

NAMES = (
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32",
    "float64", "complex64",
)  # fmt: skip


def test_every_type_and_shape_comes_back(tmp_path: Path) -> None:
    state = {name: tp.arange(6).reshape(2, 3).to(getattr(tp, name)) for name in NAMES}
    state |= {"scalar": tp.tensor(3.0), "empty": tp.zeros(0, 4), "turned": state["float32"].t()}
    tp.save(state, tmp_path / "state.safetensors")
    loaded = tp.load(tmp_path / "state.safetensors")
    assert loaded.keys() == state.keys()
    for name, tensor in state.items():
        assert loaded[name].dtype is tensor.dtype, name
        assert loaded[name].shape == tensor.shape, name
        assert loaded[name].tolist() == tensor.tolist(), name
    assert list(tmp_path.iterdir()) == [tmp_path / "state.safetensors"]


def test_model_round_trip_and_open_files() -> None:
    model, other = nn.Linear(2, 3), nn.Linear(2, 3)
    file = io.BytesIO()
    tp.save(model.state_dict(), file)
    file.seek(0)
    other.load_state_dict(tp.load(file))
    assert other.weight.equal(model.weight)
    loaded = other.state_dict()["weight"]
    loaded.zero_()  # memory of its own, and writable
    assert model.weight.abs().sum().item() > 0


def test_torch_reads_and_writes_the_same_files(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    path = tmp_path / "x.safetensors"
    tp.save({"a": tp.arange(3.0).to(tp.bfloat16)}, path)
    theirs = safetensors.load_file(path)
    assert theirs["a"].tolist() == [0.0, 1.0, 2.0]
    safetensors.save_file({"b": theirs["a"] + 1}, path)
    loaded = tp.load(path)
    assert loaded["b"].tolist() == [1.0, 2.0, 3.0]
    assert loaded["b"].dtype is tp.bfloat16


def test_map_location(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tp.save({"a": tp.ones(1)}, path)
    for where in ("cpu", tp.device("cpu"), {"cpu": "cpu"}, {"cuda:0": "cpu"}, None):
        assert str(tp.load(path, where)["a"].device) == "cpu"
    assert tp.load(path, lambda tensor, where: tensor.double())["a"].dtype is tp.float64
    assert tp.load(path, lambda tensor, where: None)["a"].item() == 1


def test_failed_writing_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "x.safetensors"
    tp.save({"a": tp.ones(1)}, path)

    def fail(self: Path, target: Path) -> Path:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match=r"disk full"):
        tp.save({"a": tp.zeros(1)}, path)
    assert tp.load(path)["a"].item() == 1.0
    assert list(tmp_path.iterdir()) == [path]


def test_only_flat_dicts_of_tensors(tmp_path: Path) -> None:
    text = "got int at 'epoch', dict at 'model'; nested checkpoints are not supported yet"
    with pytest.raises(TypeError, match=text):
        tp.save({"epoch": 1, "model": {}}, tmp_path / "x")  # type: ignore[dict-item]
    with pytest.raises(TypeError, match=r"save: expected a dict of str to Tensor, got Linear"):
        tp.save(nn.Linear(1, 1), tmp_path / "x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"save: expected one of .*, got complex128 at 'z'"):
        tp.save({"z": tp.ones(1, dtype=tp.complex128)}, tmp_path / "x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"PK\x03\x04" + bytes(60), "a zip archive: files of torch.save must be converted"),
        (b"\x80\x02}q\x00.", "a pickle: for safety, pickles are not loaded"),
        (b"text", "4 bytes of something else"),
    ],
)
def test_other_files_are_refused(content: bytes, text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"load: expected a safetensors file, got .*" + text):
        tp.load(path)


def test_unknown_types_are_named() -> None:
    header = b'{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}'
    file = io.BytesIO(len(header).to_bytes(8, "little") + header + b"\0")
    with pytest.raises(ValueError, match=r"load: expected one of .*, got F8_E4M3 at 'a'"):
        tp.load(file)
