"""tp.save and tp.load: what comes back, where it goes, and how files are written."""

from __future__ import annotations

import io
import os
import pickle
import resource
import signal
import subprocess
import sys
import time
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug import nn

NAMES = (
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32",
    "float64", "complex64", "complex128", "uint16", "uint32", "uint64",
)  # fmt: skip


def _again(obj: Any, **settings: Any) -> Any:
    file = io.BytesIO()
    tp.save(obj, file)
    return tp.load(io.BytesIO(file.getvalue()), **settings)


def test_every_type_and_shape_comes_back(tmp_path: Path) -> None:
    state = {name: tp.arange(6).reshape(2, 3).to(getattr(tp, name)) for name in NAMES}
    state |= {"scalar": tp.tensor(3.0), "empty": tp.zeros(0, 4), "turned": state["float32"].t()}
    state |= {"one": tp.tensor(1 + 2j, dtype=tp.complex128), "wide": tp.zeros(3).expand(2, 3)}
    tp.save(state, tmp_path / "state.safetensors")
    for mmap in (False, True):
        loaded = tp.load(tmp_path / "state.safetensors", mmap=mmap)
        assert list(loaded) == list(state)
        for name, tensor in state.items():
            assert loaded[name].dtype is tensor.dtype, name
            assert loaded[name].shape == tensor.shape, name
            assert loaded[name].tolist() == tensor.tolist(), name
    assert list(tmp_path.iterdir()) == [tmp_path / "state.safetensors"]


def test_nested_containers_come_back_as_they_were() -> None:
    checkpoint = {
        "epoch": 3, "best": float("inf"), "name": "run ä", "flag": True, "nothing": None,
        "big": 2**70, "z": 1 + 2j, "bytes": b"\0\xff", "array": bytearray(b"a"),
        "tuple": (1, (2, [3, {"deep": tp.ones(2)}])), 7: "int key", (1, "a"): "tuple key",
        "ordered": OrderedDict(b=1, a=2), "counter": Counter("aab"), "set": {1, 2},
        "frozen": frozenset("x"), "dtype": tp.bfloat16, "device": tp.device("cpu"),
        "size": tp.ones(2, 3).shape,
    }  # fmt: skip
    loaded = _again(checkpoint)
    assert list(loaded) == list(checkpoint)
    for key, value in checkpoint.items():
        assert type(loaded[key]) is type(value), key
        if key != "tuple":
            assert loaded[key] == value, key
    assert loaded["tuple"][1][1][1]["deep"].tolist() == [1.0, 1.0]
    for single in (tp.ones(2), [tp.ones(2)], (), "text", None, 3):
        assert type(_again(single)) is type(single)


def test_numpy_values_in_checkpoints() -> None:
    loaded = _again({"a": np.arange(3.0)[::2], "x": np.float32(0.5), "b": np.array(True)})
    assert loaded["a"].tolist() == [0.0, 2.0]
    assert (type(loaded["x"]), loaded["x"]) == (np.float32, np.float32(0.5))
    assert (type(loaded["b"]), loaded["b"].shape, bool(loaded["b"])) == (np.ndarray, (), True)


def test_model_optimizer_and_random_state_round_trip() -> None:
    model, x = nn.Linear(2, 3), tp.ones(1, 2)
    optimizer = tp.optim.Adam(model.parameters(), lr=0.1)
    model(x).sum().backward()
    optimizer.step()
    state = {
        "model": model.state_dict(), "optimizer": optimizer.state_dict(),
        "random": tp.get_rng_state(),
    }  # fmt: skip
    loaded = _again(state)
    assert loaded["model"]._metadata == model.state_dict()._metadata
    assert loaded["random"].equal(state["random"])
    other = nn.Linear(2, 3)
    other.load_state_dict(loaded["model"])
    again = tp.optim.Adam(other.parameters(), lr=0.1)
    again.load_state_dict(loaded["optimizer"])
    for net, opt in ((model, optimizer), (other, again)):
        opt.zero_grad()
        net(x).square().sum().backward()
        opt.step()
    assert other.weight.equal(model.weight)
    loaded["model"]["weight"].zero_()  # memory of its own, and writable
    assert model.weight.abs().sum().item() > 0


def test_flags_and_shared_memory_are_kept() -> None:
    weight, base = nn.Parameter(tp.ones(2, 2)), tp.arange(12.0)
    lone = tp.arange(10.0)
    state = {
        "weight": weight, "tied": weight, "alias": weight.detach(),
        "grad": tp.ones(1).requires_grad_(),
        "column": base.reshape(3, 4)[:, 1], "base": base, "row": base.reshape(3, 4)[1],
        "left": lone[2:6], "right": lone[4:8], "apart": lone[9:],
    }  # fmt: skip
    loaded = _again(state)
    assert loaded["weight"] is loaded["tied"]
    assert isinstance(loaded["weight"], nn.Parameter)
    assert loaded["weight"].requires_grad
    assert loaded["grad"].requires_grad
    assert not isinstance(loaded["alias"], nn.Parameter)
    loaded["alias"][0, 0] = 5.0
    assert loaded["weight"][0, 0].item() == 5.0
    loaded["base"][5] = -1.0
    assert loaded["column"].tolist() == [1.0, -1.0, 9.0]
    assert loaded["row"].tolist() == [4.0, -1.0, 6.0, 7.0]
    assert loaded["column"].stride() == (4,)
    loaded["left"][3] = -5.0
    assert loaded["right"].tolist() == [4.0, -5.0, 6.0, 7.0]
    assert loaded["apart"].untyped_storage().nbytes() == 4  # only what was looked at
    frozen = _again(nn.Parameter(tp.ones(1), requires_grad=False))
    assert isinstance(frozen, nn.Parameter)
    assert not frozen.requires_grad


def test_names_in_the_file_are_unique_paths() -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    file = io.BytesIO()
    tp.save({"a.b": tp.ones(1), "a": {"b": tp.zeros(2)}, "__metadata__": tp.ones(3)}, file)
    assert set(safetensors.load(file.getvalue())) == {"a.b", "a.b~2", "__metadata__~2"}
    assert _again({"a.b": tp.ones(1), "a": {"b": tp.zeros(2)}})["a"]["b"].tolist() == [0.0, 0.0]


def test_torch_reads_and_writes_the_same_files(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    path = tmp_path / "x.safetensors"
    types = {name: tp.ones(2, 3).to(getattr(tp, name)) for name in NAMES if name != "complex128"}
    tp.save({"a": tp.arange(3.0).to(tp.bfloat16), "empty": tp.zeros(0, 2), **types}, path)
    theirs = safetensors.load_file(path)
    assert theirs["a"].tolist() == [0.0, 1.0, 2.0]
    assert all(theirs[name].tolist() == types[name].tolist() for name in types)
    safetensors.save_file({"b": theirs["a"] + 1, "c": theirs["empty"], **theirs}, path)
    for mmap in (False, True):
        loaded = tp.load(path, mmap=mmap)
        assert loaded["b"].tolist() == [1.0, 2.0, 3.0]
        assert loaded["b"].dtype is tp.bfloat16
        assert loaded["c"].shape == (0, 2)
        assert all(loaded[name].tolist() == types[name].tolist() for name in types)


def test_mapped_files_are_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tp.save({"a": tp.ones(1000), "b": tp.zeros(3)}, path)
    loaded = tp.load(path, mmap=True)
    loaded["a"].mul_(2)
    assert loaded["a"].sum().item() == 2000.0
    assert tp.load(path)["a"].sum().item() == 1000.0
    assert loaded["a"].untyped_storage() != loaded["b"].untyped_storage()
    with pytest.raises(TypeError, match=r"expected a path with mmap=True, got BytesIO"):
        tp.load(io.BytesIO(path.read_bytes()), mmap=True)


# --- devices -------------------------------------------------------------------------------------


def test_map_location(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tp.save({"a": tp.ones(1)}, path)
    for where in ("cpu", tp.device("cpu"), {"cpu": "cpu"}, {"cuda:0": "cpu"}, None):
        assert str(tp.load(path, where)["a"].device) == "cpu"
    assert tp.load(path, lambda tensor, where: tensor.double())["a"].dtype is tp.float64
    assert tp.load(path, lambda tensor, where: None)["a"].item() == 1
    with pytest.raises(TypeError, match=r"map_location to return a tensor or None, got str"):
        tp.load(path, lambda tensor, where: where)
    with pytest.raises(TypeError, match=r"a device, a dict, a function or None, got int"):
        tp.load(path, 3)


def test_devices_are_kept_or_mapped(tmp_path: Path) -> None:
    pytest.importorskip("array_api_strict")
    path = tmp_path / "x.safetensors"
    base = tp.arange(6.0, device="strict:0")
    tp.save({"a": base, "b": base[2:4], "c": tp.ones(1)}, path)
    loaded = tp.load(path)
    assert [str(x.device) for x in loaded.values()] == ["strict:0", "strict:0", "cpu"]
    loaded["a"][2] = 9.0
    assert loaded["b"].tolist() == [9.0, 3.0]
    asked = []
    mapped = tp.load(path, lambda tensor, where: asked.append(where) or tensor)
    assert asked == ["strict:0", "cpu"]
    assert {str(x.device) for x in mapped.values()} == {"cpu"}
    mapped = tp.load(path, {"strict:0": "cpu", "cpu": "strict:0"})
    assert [str(x.device) for x in mapped.values()] == ["cpu", "cpu", "strict:0"]
    path.write_bytes(path.read_bytes().replace(b"strict:0", b"lost:0  "))
    text = (
        r"expected the device 'lost:0  ', from which .*x.safetensors was saved.*map_location='cpu'"
    )
    with pytest.raises(RuntimeError, match=text):
        tp.load(path)
    assert str(tp.load(path, "cpu")["a"].device) == "cpu"


# --- writing -------------------------------------------------------------------------------------


def test_failed_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "x.safetensors"
    tp.save({"a": tp.ones(1)}, path)

    def fail(self: Path, target: Path) -> Path:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match=r"disk full"):
        tp.save({"a": tp.zeros(1)}, path)
    assert tp.load(path)["a"].item() == 1.0
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_an_error_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tp.save({"a": tp.ones(1)}, path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"save: expected to write .*x.safetensors.*, got: .*I/O"):
            tp.save({"a": tp.zeros(1000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert tp.load(path)["a"].item() == 1.0
    assert list(tmp_path.iterdir()) == [path]


ENDLESS = """
import itertools, sys, tensorplug as tp
print("started", flush=True)
for number in itertools.count():
    tp.save({"a": tp.full((500_000,), float(number)), "number": number}, sys.argv[1])
"""


def test_killed_writing_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for wait in (0.05, 0.12):
        tp.save({"a": tp.full((500_000,), -1.0), "number": -1}, path)
        child = subprocess.Popen([sys.executable, "-c", ENDLESS, path], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        while not list(tmp_path.glob("*.partial")):
            time.sleep(0.001)
        time.sleep(wait)
        child.kill()
        assert child.wait() == -signal.SIGKILL
        child.stdout.close()
        loaded = tp.load(path)
        assert (loaded["a"] == loaded["number"]).all()


def test_links_modes_and_special_files(tmp_path: Path) -> None:
    path, link = tmp_path / "x.safetensors", tmp_path / "link"
    tp.save([tp.ones(1)], path)
    path.chmod(0o640)
    link.symlink_to(path)
    tp.save([tp.zeros(1)], link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert tp.load(path)[0].item() == 0.0
    tp.save([tp.ones(1)], "/dev/null")
    mask = os.umask(0o027)
    tp.save([tp.ones(1)], tmp_path / "new")
    os.umask(mask)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640
    assert Path("/dev/null").is_char_device()


# --- objects of any class ------------------------------------------------------------------------


def test_objects_load_only_when_trusted() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    file = io.BytesIO()
    tp.save({"model": model, "weight": model[0].weight, "epoch": 1}, file)
    text = r"expected tensors and plain data, got .* asks for tensorplug.nn.container.Sequential"
    with pytest.raises(pickle.UnpicklingError, match=text):
        tp.load(io.BytesIO(file.getvalue()))
    loaded = tp.load(io.BytesIO(file.getvalue()), weights_only=False)
    assert loaded["weight"] is loaded["model"][0].weight
    x = tp.ones(1, 2)
    assert loaded["model"](x).equal(model(x))
    with pytest.raises(TypeError, match=r"objects that can be pickled, got function: .*<lambda>"):
        tp.save({"f": lambda: None}, io.BytesIO())


def test_safe_globals() -> None:
    point = slice(1, 2)
    name = r"asks for builtins.slice: that may run any code.* tp.serialization.add_safe_globals"
    with pytest.raises(pickle.UnpicklingError, match=name):
        _again(point)
    with tp.serialization.safe_globals([slice]):
        assert tp.serialization.get_safe_globals() == [slice]
        assert _again([point, tp.ones(1)])[0] == point
    assert tp.serialization.get_safe_globals() == []


def test_containers_in_themselves_are_refused() -> None:
    loop: list[Any] = []
    loop.append({"x": loop})
    with pytest.raises(ValueError, match=r"do not contain themselves, got one at '0.x'"):
        tp.save(loop, io.BytesIO())
