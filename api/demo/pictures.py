"""The demo's two pictures: the loss curves, and digits with what the model saw in them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tensorplug._svg import INK, MUTED, Axis, Chart, Svg
from tensorplug.autograd.tensor import Tensor

from .training import Run

__all__ = ["curves", "digits"]

_COLOURS = ("#1f6feb", "#f59f00", "#2b8a3e", "#c2255c", "#862e9c", "#0b7285")
_DASHES = ("", "12 12", "5 9", "2 7")
_RIGHT, _WRONG = "#2b8a3e", "#c92a2a"


def curves(runs: Sequence[Run], model: str) -> str:
    """The loss of every step and epoch, and the test accuracy, of one run per device, as SVG."""
    runs = [run for run in runs if run.epochs]
    count = max(math.ceil(len(run.losses) / run.steps) for run in runs)
    losses = [loss for run in runs for loss in run.epochs]
    high = max(loss for run in runs for loss in run.losses)
    names = ", ".join(run.device for run in runs)
    title = f"Training the {model} on {names}"
    svg = Svg(920, 400, title)
    svg.text(64, 34, title, 18, bold=True)
    svg.text(64, 54, _subtitle(runs), 12, MUTED)

    # The last mean, with room below: single steps may be far lower, and are cut off there.
    low = max(min(losses) / 3, 1e-7)
    loss = Chart(svg, Axis(0, count, 64, 500), Axis(low, high * 1.2, 340, 104, True), "Loss")
    loss.axes("epoch", "cross-entropy (log scale)")
    least = min(run.accuracies[0] if run.accuracies else 0.9 for run in runs)
    floor = min(0.9, least // 0.1 / 10)
    accuracy = Chart(svg, Axis(0, count, 584, 896), Axis(floor, 1, 340, 104), "Test accuracy")
    accuracy.axes("epoch", "recognised", "{:.0%}")
    for number, run in enumerate(runs):
        colour = _COLOURS[number % len(_COLOURS)]
        dash = _DASHES[number % len(_DASHES)]
        if number == 0:
            steps = [((at + 0.5) / run.steps, value) for at, value in enumerate(run.losses)]
            loss.plot(steps, "#c9dcfb", 1)
        # Equal curves lie on each other: the first ones are broader, so that all are seen.
        width = max(1.2, 2.2 + 1.4 * (min(len(runs), 4) - 1 - number))
        loss.plot([(at + 0.5, v) for at, v in enumerate(run.epochs)], colour, width, dash)
        accuracy.plot([(at + 1, v) for at, v in enumerate(run.accuracies)], colour, width, dash)
        _legend(svg, 500, 110 + 18 * number, run.device, colour, width, dash)
    return svg.render()


def _subtitle(runs: Sequence[Run]) -> str:
    same = "; the same seed gives the same curve on each" if len(runs) > 1 else ""
    return f"thin: every step, thick: mean of an epoch{same}"


def _legend(
    svg: Svg, right: float, y: float, name: str, colour: str, width: float, dash: str
) -> None:
    svg.text(right - 36, y + 4, name, 12, INK, "end")
    svg.line([(right - 28, y), (right, y)], colour, width, dash)


def digits(images: Tensor, truth: Tensor, probabilities: Tensor, columns: int = 8) -> str:
    """Up to three rows of test digits, mistakes first, each with the model's answer, as SVG.

    Args:
        images: shape ``(count, 1, 8, 8)``, from 0 to 1.
        truth: the digits, shape ``(count,)``.
        probabilities: shape ``(count, 10)``.
        columns: images per row.
    """
    answers = probabilities.argmax(1).tolist()
    sure = probabilities.amax(1).tolist()
    real = truth.tolist()
    wrong = [at for at, digit in enumerate(real) if answers[at] != digit]
    right = [at for at, digit in enumerate(real) if answers[at] == digit]
    shown = wrong[:columns]
    shown += right[: 3 * columns - len(shown)]

    rows = -(-len(shown) // columns)
    title = f"{len(right)} of {len(real)} test digits recognised"
    svg = Svg(40 + columns * 106, 76 + rows * 128, title)
    svg.text(28, 34, title, 18, bold=True)
    subtitle = "the model's answer and how sure it is; its mistakes come first, in red"
    svg.text(28, 54, subtitle if wrong else "the model's answer and how sure it is", 12, MUTED)
    for place, at in enumerate(shown):
        x, y = 28 + place % columns * 106, 72 + place // columns * 128
        mistake = answers[at] != real[at]
        svg.rect(x - 0.5, y - 0.5, 89, 89, "#ffffff", _WRONG if mistake else "#cbd2d9", 3)
        svg.image(x + 4, y + 4, 10, images[at, 0].tolist())
        answer = f"{answers[at]}, not {real[at]}" if mistake else str(answers[at])
        svg.text(x, y + 106, answer, 13, _WRONG if mistake else _RIGHT, bold=True)
        svg.text(x + 88, y + 106, f"{sure[at]:.0%}", 11, MUTED, "end")
    return svg.render()
