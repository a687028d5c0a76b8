"""The ``tensorplug demo`` command."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorplug as tp
from tensorplug.backends import TensorplugError, devices
from tensorplug.utils.data import DataLoader, Dataset

from . import pictures
from .digits import load_digits, split
from .models import MODELS
from .training import Run, predict, train

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["add_arguments", "run"]

EPOCHS = 15
"""Enough for more than 97 % of the test digits with either model."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options to ``parser``."""
    parser.add_argument("--device", help="train on this device only (default: on every one)")
    parser.add_argument("--model", choices=sorted(MODELS), default="cnn", help="default: cnn")
    parser.add_argument("--epochs", type=_positive, default=EPOCHS, help=f"default: {EPOCHS}")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo-output"),
        help="folder for weights and pictures (default: %(default)s)",
    )


def _positive(text: str) -> int:
    number = int(text) if text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    return number


def run(args: argparse.Namespace) -> int:
    """Run the demo; the result is the process's exit code: 0, 1 (check failed), 130 (Ctrl-C)."""
    from rich.console import Console
    from rich.markup import escape

    _check_folder(args.out)
    console = Console()
    data = split(load_digits())
    if args.device is None:
        names, skipped = _devices()
        for name, reason in skipped:
            console.print(f"[yellow]skipping {name}[/]: {escape(reason)}", highlight=False)
    else:
        names = [str(tp.device(args.device))]
    console.print(
        f"{args.model} on {len(data[0])} handwritten digits of 8x8 pixels, "
        f"{args.epochs} epoch{'s' if args.epochs > 1 else ''}, seed {args.seed}",
        highlight=False,
    )
    runs = _train_all(console, names, args, data)
    runs = [run for run in runs if run.losses]
    if not runs:
        console.print("stopped before the first epoch; nothing was written")
        return 130
    console.print(_table(runs))
    files, same = _write(args.out, args.model, runs, data[1])
    console.print("wrote " + "\n      ".join(map(str, files)), highlight=False, soft_wrap=True)
    if not same:
        console.print("[red]a model loaded from its file predicts something else[/]")
        return 1
    if any(run.interrupted for run in runs):
        console.print(f"interrupted; what there was is saved in {args.out}", soft_wrap=True)
        return 130
    console.print("every saved model, loaded again, makes the same predictions")
    return 0


def _check_folder(out: Path) -> None:
    """Refuse, before any training, a folder that cannot be made."""
    for path in (out, *out.parents):
        if path.exists():
            if not path.is_dir():
                raise TensorplugError(
                    f"demo: expected --out to be a folder, got {out}, but {path} is a file; "
                    "name another one",
                    op="demo",
                )
            return


def _devices() -> tuple[list[str], list[tuple[str, str]]]:
    """The devices that work here, "cpu" first, and why each other one does not."""
    rows = devices()
    names = sorted((row.device for row in rows if row.available), key=lambda name: name != "cpu")
    skipped = [(row.device, row.reason or row.state) for row in rows if not row.available]
    return names, skipped


def _train_all(
    console: Console,
    names: list[str],
    args: argparse.Namespace,
    data: tuple[Dataset[Any], Dataset[Any]],
) -> list[Run]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    runs = []
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TextColumn("epoch {task.completed}/{task.total}"),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        for device in names:
            task = progress.add_task(device, total=args.epochs, state="")

            def show(run: Run, task: Any = task) -> None:
                state = f"loss {run.epochs[-1]:.4f}  test {run.accuracy:.1%}"
                progress.update(task, completed=len(run.epochs), state=state)

            runs.append(train(args.model, device, args.epochs, args.seed, data, show))
            if runs[-1].interrupted:
                break
    return runs


def _table(runs: list[Run]) -> Table:
    from rich.table import Table

    table = Table("device")
    table.add_column("test accuracy", justify="right")
    table.add_column("s / epoch", justify="right")
    # Rounding differs between libraries, and training enlarges what differs, step by step.
    table.add_column("losses against cpu, epoch 1", justify="right")
    table.add_column("all epochs", justify="right")
    reference = next((run for run in runs if run.device.startswith("cpu")), None)
    for run in runs:
        differences = ["-", "-"]
        if run is not reference and reference is not None:
            steps = len(run.losses) // max(len(run.epochs), 1)
            differences = [
                f"{_largest_difference(run.losses[:count], reference.losses):.1e}"
                for count in (steps, len(run.losses))
            ]
        seconds = run.seconds / max(len(run.epochs), 1)
        table.add_row(run.device, f"{run.accuracy:.2%}", f"{seconds:.3f}", *differences)
    return table


def _largest_difference(losses: list[float], reference: list[float]) -> float:
    """The largest relative difference of two loss curves, over the steps that both have."""
    pairs = zip(losses, reference, strict=False)
    return max((abs(a - b) / max(abs(b), 1e-12) for a, b in pairs), default=0.0)


def _write(out: Path, model: str, runs: list[Run], test: Dataset[Any]) -> tuple[list[Path], bool]:
    """Write weights and pictures; also load each file again and compare the predictions."""
    out.mkdir(parents=True, exist_ok=True)
    images, truth = next(iter(DataLoader(test, batch_size=len(test))))  # type: ignore[arg-type]  # sized
    files, same, shown = [], True, []
    for run in runs:
        path = out / f"digits-{model}-{run.device.replace(':', '-')}.safetensors"
        tp.save(run.model.state_dict(), path)
        fresh = MODELS[model]().to(run.device)
        fresh.load_state_dict(tp.load(path, map_location=run.device))
        expected = predict(run.model, images, run.device)
        same = same and bool((predict(fresh, images, run.device) == expected).all().item())
        shown.append(expected)
        files.append(path)
    drawings = {"digits.svg": pictures.digits(images, truth, shown[0])}
    if any(run.epochs for run in runs):
        drawings["loss.svg"] = pictures.curves(runs, model)
    for name, drawing in drawings.items():
        files.append(out / name)
        files[-1].write_text(drawing, encoding="utf-8")
    return files, same
