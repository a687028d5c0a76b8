"""What SummaryWriter writes, read back from the event files by TensorBoard's own definitions."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tensorplug as tp
from tensorplug.utils.tensorboard import SummaryWriter


def _records(folder: Path, sub: str = "") -> Iterator[Any]:
    """The events in a folder: each is a length, its checksum, the bytes, and their checksum."""
    from tensorboardX.crc32c import crc32c
    from tensorboardX.proto.event_pb2 import Event

    def masked(content: bytes) -> int:
        checksum = crc32c(content)
        return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF

    for file in sorted((folder / sub).glob("events.out.tfevents.*")):
        content = file.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            body = content[12 : 12 + length]
            assert struct.unpack("<I", content[8:12])[0] == masked(content[:8])
            assert struct.unpack("<I", content[12 + length : 16 + length])[0] == masked(body)
            yield Event.FromString(body)
            content = content[16 + length :]


def _values(folder: Path, sub: str = "") -> list[tuple[int, Any]]:
    return [(event.step, v) for event in _records(folder, sub) for v in event.summary.value]


def _numbers(folder: Path, sub: str = "") -> list[tuple[int, str, float]]:
    return [(step, v.tag, v.simple_value) for step, v in _values(folder, sub)]


def test_numbers(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        assert writer.log_dir == writer.get_logdir() == str(tmp_path)
        writer.add_scalar("loss", 0.5, 0)
        writer.add_scalar("loss", tp.tensor(0.25, requires_grad=True) * 2, 1)
        writer.add_scalar("loss", tp.tensor([1.5], dtype=tp.bfloat16), 2, walltime=7.0)
        writer.add_scalar("loss", tp.tensor(3, device="strict:0"), global_step=3)
        writer.add_scalars("both", {"a": tp.tensor(1.0), "b": 2}, 4)
    expected = [(0, "loss", 0.5), (1, "loss", 0.5), (2, "loss", 1.5), (3, "loss", 3.0)]
    assert _numbers(tmp_path) == expected
    assert [event.wall_time for event in _records(tmp_path) if event.step == 2] == [7.0]
    assert _numbers(tmp_path, "both/a") == [(4, "both", 1.0)]
    assert _numbers(tmp_path, "both/b") == [(4, "both", 2.0)]


@pytest.mark.parametrize("device", ["cpu", "strict:0"])
def test_histogram(tmp_path: Path, device: str) -> None:
    values = tp.arange(12.0, device=device, requires_grad=True).reshape(3, 4)
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("weights", values, 5, bins="auto")
    ((step, value),) = _values(tmp_path)
    found = value.histo
    assert (step, value.tag, found.num, found.min, found.max) == (5, "weights", 12, 0, 11)
    assert (found.sum, found.sum_squares) == (66, 506)
    assert sum(found.bucket) == 12


def test_pictures(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("one", tp.rand(3, 4, 6, requires_grad=True), 0)
        writer.add_image("last", tp.zeros(4, 6, 1, dtype=tp.uint8), 0, dataformats="HWC")
        writer.add_images("grid", tp.rand(8, 1, 4, 6), 1)
    shown = {value.tag: value.image for _, value in _values(tmp_path)}
    assert {tag: (i.height, i.width) for tag, i in shown.items()} == {
        "one": (4, 6), "last": (4, 6), "grid": (4, 48),
    }  # fmt: skip
    assert all(image.encoded_image_string.startswith(b"\x89PNG") for image in shown.values())


def test_figure(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    with SummaryWriter(tmp_path) as writer:
        writer.add_figure("curve", Figure(figsize=(2, 1), dpi=50), 0)
    ((_, value),) = _values(tmp_path)
    assert (value.tag, value.image.width, value.image.height) == ("curve", 100, 50)


def test_text_and_curves(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_text("notes", "the *second* run", 1)
        labels = tp.tensor([0, 1, 1, 0])
        writer.add_pr_curve("pr", labels, tp.tensor([0.1, 0.9, 0.8, 0.3]), 2, num_thresholds=5)
    (_, text), (_, curve) = _values(tmp_path)
    assert text.tag == "notes/text_summary"
    assert text.tensor.string_val[0] == b"the *second* run"
    assert curve.metadata.plugin_data.plugin_name == "pr_curves"
    assert list(curve.tensor.float_val)[:5] == [2, 2, 2, 2, 0]  # true positives by threshold


def test_settings(tmp_path: Path) -> None:
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    with SummaryWriter(tmp_path) as writer:
        settings = {"lr": tp.tensor(0.5), "layers": 3, "name": "net", "flip": True}
        writer.add_hparams(settings, {"accuracy": tp.tensor(0.75)}, run_name="first")
        with pytest.raises(ValueError, match=r"hparam_domain_discrete=None, got \{'lr': \[1\]\}"):
            writer.add_hparams({"lr": 1}, {}, {"lr": [1]})
    values = {value.tag: value for _, value in _values(tmp_path, "first")}
    assert values["accuracy"].simple_value == 0.75
    content = values["_hparams_/session_start_info"].metadata.plugin_data.content
    found = HParamsPluginData.FromString(content).session_start_info.hparams
    assert (found["lr"].number_value, found["layers"].number_value) == (0.5, 3)
    assert (found["name"].string_value, found["flip"].bool_value) == ("net", True)


def test_graph(tmp_path: Path) -> None:
    from tensorboardX.proto.graph_pb2 import GraphDef

    model = tp.nn.Sequential(tp.nn.Linear(3, 4), tp.nn.ReLU())
    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(model, tp.ones(2, 3))
        with pytest.raises(ValueError, match="expected the input of the model, got None"):
            writer.add_graph(model)
    (content,) = [e.graph_def for e in _records(tmp_path) if e.graph_def]
    nodes = {node.op: node for node in GraphDef.FromString(content).node}
    assert set(nodes) == {"output", "ReluBackward0", "AddmmBackward0", "0.weight", "0.bias"}
    assert nodes["0.weight"].name == "0/weight"
    assert nodes["0.weight"].attr["values"].s == b"(4, 3) float32"
    assert sorted(nodes["AddmmBackward0"].input) == ["0/bias", "0/weight"]
    assert list(nodes["output"].input) == [nodes["ReluBackward0"].name]


def test_flush_and_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    writer = SummaryWriter(comment="_mine")
    writer.add_scalar("loss", 1.0, 0)
    writer.flush()
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.endswith("_mine")
    writer.close()
    assert _numbers(folder) == [(0, "loss", 1.0)]


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(
        tp.backends.TensorplugError, match=r"tensorboardX, .* 'tensorplug\[tensorboard\]'"
    ):
        SummaryWriter("nowhere")
