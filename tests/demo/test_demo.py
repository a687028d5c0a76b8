"""The demo: its data, a short training, its pictures and its exit codes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import tensorplug as tp
from tensorplug._svg import Axis, nice_ticks
from tensorplug.demo import cli, pictures, training
from tensorplug.demo.digits import load_digits, split
from tensorplug.demo.models import MODELS

SVG = "{http://www.w3.org/2000/svg}"


def _args(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(list(words))


def test_data() -> None:
    data = load_digits()
    images, digits = data.tensors
    assert (len(data), tuple(images.shape), images.dtype) == (1797, (1797, 1, 8, 8), tp.float32)
    assert (images.min().item(), images.max().item()) == (0.0, 1.0)
    assert digits.dtype is tp.int64
    counts = [int((digits == digit).sum().item()) for digit in range(10)]
    assert counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert digits[:10].tolist() == list(range(10))
    train, test = split(data)
    assert (len(train), len(test)) == (1437, 360)
    assert not set(train.indices) & set(test.indices)


@pytest.mark.parametrize("model", sorted(MODELS))
def test_models_learn(model: str) -> None:
    data = split(load_digits())
    seen: list[int] = []
    run = training.train(model, "cpu", 2, 0, data, lambda run: seen.append(len(run.epochs)))
    assert seen == [1, 2]
    assert len(run.losses) == 2 * 23
    assert run.epochs[1] < run.epochs[0]
    assert run.accuracy > 0.8
    assert run.seconds > 0
    again = training.train(model, "cpu", 1, 0, data, lambda run: None)
    # The learning rate falls with the number of epochs, but the first epoch starts alike.
    assert again.losses[0] == run.losses[0]


def test_whole_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    code = cli.run(_args("--device", "cpu", "--model", "mlp", "--epochs", "2", "--out", str(out)))
    printed = capsys.readouterr().out
    assert code == 0
    assert "test accuracy" in printed
    assert "makes the same predictions" in printed
    names = ["digits-mlp-cpu.safetensors", "digits.svg", "loss.svg"]
    assert sorted(path.name for path in out.iterdir()) == names
    for name in names:
        assert str(out / name) in printed.replace("\n", "")
    for name in names[1:]:
        root = ElementTree.parse(out / name).getroot()
        assert root.tag == f"{SVG}svg"
        assert root.find(f"{SVG}title") is not None
        assert "recognised" in "".join(root.itertext())


def test_every_available_device_by_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_devices", lambda: (["cpu", "cpu:0"], [("acme", "no library")]))
    assert cli.run(_args("--model", "mlp", "--epochs", "1", "--out", str(tmp_path))) == 0
    printed = capsys.readouterr().out
    assert "skipping acme: no library" in printed
    assert "0.0e+00" in printed  # the loss curve of cpu:0 against that of cpu


def test_available_devices() -> None:
    names, skipped = cli._devices()
    assert names[0] == "cpu"
    assert all(reason for _, reason in skipped)


def test_every_device_has_the_same_curve() -> None:
    data = split(load_digits())
    every, _ = cli._devices()
    names = list({name.partition(":")[0]: name for name in every}.values())  # one of each type
    runs = [training.train("mlp", name, 1, 0, data, lambda run: None) for name in names]
    assert runs[0].device == "cpu"
    for run in runs:
        assert run.losses == pytest.approx(runs[0].losses, rel=1e-4)
        assert run.accuracy == pytest.approx(runs[0].accuracy, abs=0.01)


@pytest.mark.parametrize(("steps", "files"), [(0, 0), (3, 2), (30, 3)])
def test_interrupt_saves_what_there_is(
    steps: int,
    files: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, count = training.optim.Adam.step, iter(range(1000))

    def step(self: Any) -> None:
        if next(count) == steps:
            raise KeyboardInterrupt
        real(self)

    monkeypatch.setattr(training.optim.Adam, "step", step)
    out = tmp_path / "out"
    code = cli.run(_args("--device", "cpu", "--model", "mlp", "--out", str(out)))
    printed = capsys.readouterr().out.replace("\n", "")
    assert code == 130
    assert len(list(out.glob("*"))) == files
    if files:
        assert "interrupted; what there was is saved in" in printed
        assert str(out) in printed
    else:
        assert "nothing was written" in printed


def test_a_wrong_copy_is_noticed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tp.load
    monkeypatch.setattr(
        tp, "load", lambda *args, **kwargs: {k: v * 2 for k, v in real(*args, **kwargs).items()}
    )
    words = ("--device", "cpu", "--model", "mlp", "--epochs", "1", "--out", str(tmp_path))
    assert cli.run(_args(*words)) == 1
    assert "predicts something else" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("--epochs", "0"), ("--epochs", "x"), ("--model", "rnn")])
def test_bad_arguments(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _args(*words)
    assert words[1] in capsys.readouterr().err


def test_mistakes_come_first() -> None:
    images = tp.zeros(4, 1, 8, 8)
    probabilities = tp.eye(10)[tp.tensor([3, 3, 3, 5])]
    drawing = pictures.digits(images, tp.tensor([3, 3, 7, 5]), probabilities)
    texts = [element.text for element in ElementTree.fromstring(drawing).iter(f"{SVG}text")]
    assert texts[0] == "3 of 4 test digits recognised"
    assert texts[2] == "3, not 7"
    perfect = pictures.digits(images, tp.tensor([3, 3, 3, 5]), probabilities)
    assert "mistakes" not in perfect


def test_axes() -> None:
    assert nice_ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert nice_ticks(0, 15, 6) == [0, 2.5, 5, 7.5, 10, 12.5, 15]
    axis = Axis(0.01, 1, 100, 0, log=True)
    assert axis(0.1) == pytest.approx(50)
    assert axis(0.0) == 100
    assert axis.ticks() == pytest.approx([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
    assert Axis(1e-4, 1, 0, 1, log=True).ticks() == pytest.approx([1e-4, 1e-3, 1e-2, 0.1, 1])
    assert Axis(2, 2, 0, 1)(2) == 0


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("", "utf-8")
    for out in (file, file / "deeper"):
        with pytest.raises(tp.backends.TensorplugError, match=r"demo: expected --out to be a fol"):
            cli.run(_args("--device", "cpu", "--out", str(out)))


def test_the_default_folder_is_the_one_that_git_and_make_know() -> None:
    root = Path(__file__).resolve().parents[2]
    name = str(_args().out)
    assert f"{name}/" in (root / ".gitignore").read_text("utf-8").splitlines()
    assert f" {name} " in (root / "Makefile").read_text("utf-8")
