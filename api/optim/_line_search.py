"""A line search for the strong Wolfe conditions, with cubic interpolation.

Nocedal and Wright, Numerical Optimization, algorithms 3.5 and 3.6, with the safeguards of minFunc
(Schmidt, 2005), which are PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tensorplug.autograd.tensor import Tensor

__all__ = ["Point", "strong_wolfe"]

DECREASE, CURVATURE = 1e-4, 0.9
"""The conditions: how far the loss must fall, and what part of the first slope may be left."""


class Point(NamedTuple):
    """A step length with the loss, the gradient and the slope along the direction there."""

    t: float
    loss: float
    grad: Tensor
    slope: float


def strong_wolfe(
    at: Callable[[float], Point], start: Point, t: float, widest: float, change: float, limit: int
) -> tuple[Point, int]:
    """A point that meets the conditions, or the best found, and the number of evaluations.

    Args:
        at: evaluates a step length.
        start: where the search begins, ``t`` = 0.
        t: the first length to try.
        widest: the largest element of the direction.
        change: stop when no parameter would change by as much.
        limit: the most lengths to try after the first.
    """
    bracket, tries, done = _bracket(at, start, t, limit)
    stuck = False
    bracket.sort(key=lambda point: point.loss)  # the lower one first
    while not done and tries < limit and len(bracket) == 2:
        low, high = bracket
        if abs(high.t - low.t) * widest < change:
            break
        t, stuck = _inside(low, high, stuck)
        point = at(t)
        tries += 1
        if _too_high(point, start) or point.loss >= low.loss:
            bracket = [low, point] if low.loss <= point.loss else [point, low]
            continue
        if abs(point.slope) <= -CURVATURE * start.slope:
            done = True
        elif point.slope * (high.t - low.t) >= 0:
            high = low
        bracket = [point, high]
    return bracket[0], tries + 1


def _too_high(point: Point, start: Point) -> bool:
    return point.loss > start.loss + DECREASE * point.t * start.slope


def _bracket(
    at: Callable[[float], Point], start: Point, t: float, limit: int
) -> tuple[list[Point], int, bool]:
    """Two points with a good one between them, or one that is good."""
    before, point = start, at(t)
    for tries in range(max(limit, 0)):
        if _too_high(point, start) or (tries > 1 and point.loss >= before.loss):
            return [before, point], tries, False
        if abs(point.slope) <= -CURVATURE * start.slope:
            return [point], tries, True
        if point.slope >= 0:
            return [before, point], tries, False
        bounds = point.t + 0.01 * (point.t - before.t), point.t * 10
        before, point = point, at(_cubic(before, point, bounds))
    return [start, point], max(limit, 0), False


def _inside(low: Point, high: Point, stuck: bool) -> tuple[float, bool]:
    """Where to look next, away from the ends, and whether that is near one of them again."""
    left, right = sorted((low, high), key=lambda point: point.t)
    t = _cubic(left, right, None)
    least, most = sorted((low.t, high.t))
    margin = 0.1 * (most - least)
    if min(most - t, t - least) >= margin:
        return t, False
    if not stuck and least < t < most:
        return t, True
    return (most - margin if most - t < t - least else least + margin), False


def _cubic(one: Point, two: Point, bounds: tuple[float, float] | None) -> float:
    """The lowest point of the cubic through two points with their slopes, within bounds."""
    least, most = bounds or sorted((one.t, two.t))
    if one.t == two.t:
        return one.t
    d1 = one.slope + two.slope - 3 * (one.loss - two.loss) / (one.t - two.t)
    square = d1 * d1 - one.slope * two.slope
    if not square >= 0:
        return (least + most) / 2
    low, high = (one, two) if one.t <= two.t else (two, one)
    d2 = square**0.5
    divisor = high.slope - low.slope + 2 * d2
    if divisor == 0:
        return (least + most) / 2
    t = high.t - (high.t - low.t) * (high.slope + d2 - d1) / divisor
    return min(max(t, least), most)
