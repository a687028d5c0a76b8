"""Random functions: moments, range and repeatability instead of values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .differences import Finding
from .subject import Subject

__all__ = ["MOMENTS", "moment_findings"]

N = 20_000
# (mean, standard deviation, smallest, largest) of the distribution; None: not bounded.
Moments = tuple[float, float, float | None, float | None]


def _half(m: Any) -> Any:
    return m.full((N,), 0.5)


def _dropout(function: Callable[..., Any], m: Any, shape: tuple[int, ...]) -> Any:
    return function(m.ones(shape), p=0.25, training=True)


# Each draws about N values from a known distribution.
MOMENTS: dict[str, tuple[Callable[[Any], Any], Moments]] = {
    "bernoulli": (lambda m: m.bernoulli(m.full((N,), 0.3)), (0.3, 0.21**0.5, 0, 1)),
    "exponential": (lambda m: m.empty(N).exponential_(2.0), (0.5, 0.5, 0, None)),
    "multinomial": (
        lambda m: m.multinomial(m.tensor([1.0, 0.0, 3.0]), N, replacement=True).double(),
        (1.5, 0.75**0.5, 0, 2),
    ),
    "normal": (lambda m: m.normal(m.full((N,), 2.0), m.full((N,), 3.0)), (2, 3, None, None)),
    "rand": (lambda m: m.rand(N), (0.5, 12**-0.5, 0, 1)),
    "rand_like": (lambda m: m.rand_like(_half(m)), (0.5, 12**-0.5, 0, 1)),
    "randint": (lambda m: m.randint(-2, 7, (N,)).double(), (2, (80 / 12) ** 0.5, -2, 6)),
    "randn": (lambda m: m.randn(N), (0, 1, None, None)),
    "randn_like": (lambda m: m.randn_like(_half(m)), (0, 1, None, None)),
    "randperm": (lambda m: m.randperm(N).double() / N, (0.5, 12**-0.5, 0, 1)),
    "uniform": (lambda m: m.empty(N).uniform_(-1, 3), (1, 4 * 12**-0.5, -1, 3)),
    "nn.functional.dropout": (
        lambda m: _dropout(m.nn.functional.dropout, m, (N,)),
        (1, 3**-0.5, 0, 4 / 3),
    ),
    "nn.functional.dropout2d": (
        lambda m: _dropout(m.nn.functional.dropout2d, m, (N // 20, 20, 1, 2)),
        (1, 3**-0.5, 0, 4 / 3),
    ),
}


def _problem(values: np.ndarray, moments: Moments) -> tuple[str, str] | None:
    mean, deviation, low, high = moments
    margin = 6 * deviation / values.size**0.5
    if abs(values.mean() - mean) > margin:
        return f"mean {mean:.4g} +- {margin:.2g}", f"{values.mean():.4g}"
    if abs(values.std() / deviation - 1) > 0.08:
        return f"standard deviation {deviation:.4g}", f"{values.std():.4g}"
    if low is not None and values.min() < low - 1e-6:
        return f"values >= {low}", f"{values.min()}"
    if high is not None and values.max() > high + 1e-6:
        return f"values <= {high}", f"{values.max()}"
    return None


def moment_findings(name: str, subject: Subject) -> Iterator[Finding | None]:
    """Draw twice with one seed and once more: equal, then different, moments as they should be."""
    if name not in MOMENTS:
        return
    draw, moments = MOMENTS[name]
    code = f"moments of tp.{name}"

    def finding(expected: str, got: str) -> Finding:
        return Finding(name, name, "moments", "", code, expected, got)

    try:
        subject.module.manual_seed(5)
        first = subject.numpy(draw(subject.module))
        other = subject.numpy(draw(subject.module))
        subject.module.manual_seed(5)
        again = subject.numpy(draw(subject.module))
    except Exception as error:
        yield finding("random values", f"{type(error).__name__}: {error}")
        return
    problem = _problem(first, moments)
    yield finding(*problem) if problem else None
    yield None if np.array_equal(first, again) else finding("equal draws", "others")
    yield finding("two draws", "the same") if np.array_equal(first, other) else None
