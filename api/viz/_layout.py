"""Places the boxes of a directed acyclic graph in layers, with few crossings.

The method of Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system
structures" (1981): boxes get layers by their longest path, long edges get a bend in every layer
they cross, layers are sorted by the mean place of their neighbours, and then boxes move as near
to that mean as their widths allow.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Placed", "place"]

_SWEEPS = 8
"""Passes down and up; the order of layers changes little after the first few."""


class Placed(NamedTuple):
    """Where everything goes."""

    layers: list[int]
    """Of every box."""
    centres: list[float]
    """The horizontal middle of every box; all are positive."""
    bends: dict[tuple[int, int], list[tuple[int, float]]]
    """For an edge, the layers that it crosses on its way and where."""


def place(widths: Sequence[float], edges: Sequence[tuple[int, int]], gap: float) -> Placed:
    """Lay out the boxes ``0, 1, ...`` so that all edges point down.

    Args:
        widths: of the boxes.
        edges: pairs (from, to), none twice, without cycles.
        gap: the least distance between neighbours.
    """
    layers = _layers(len(widths), edges)
    chains, sizes, floors = _bend(widths, edges, layers)
    rows = _rows(floors)
    above: list[list[int]] = [[] for _ in sizes]
    below: list[list[int]] = [[] for _ in sizes]
    for chain in chains.values():
        for start, end in itertools.pairwise(chain):
            below[start].append(end)
            above[end].append(start)
    _sort(rows, above, below)
    x = _centres(rows, above, below, sizes, gap)
    left = min((x[box] - sizes[box] / 2 for box in range(len(sizes))), default=0.0)
    x = [centre - left for centre in x]
    bends = {
        edge: [(floors[point], x[point]) for point in chain[1:-1]] for edge, chain in chains.items()
    }
    return Placed(layers, x[: len(widths)], bends)


def _layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The longest path from a source; sources move down to just above their first user."""
    users: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for start, end in edges:
        users[start].append(end)
        waiting[end] += 1
    sources = [box for box in range(count) if not waiting[box]]
    layers, ready = [0] * count, list(sources)
    while ready:
        box = ready.pop()
        for user in users[box]:
            layers[user] = max(layers[user], layers[box] + 1)
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    for box in sources:
        if users[box]:
            layers[box] = min(layers[user] for user in users[box]) - 1
    return layers


def _bend(
    widths: Sequence[float], edges: Sequence[tuple[int, int]], layers: list[int]
) -> tuple[dict[tuple[int, int], list[int]], list[float], list[int]]:
    """Every edge as a chain of boxes and bends in neighbouring layers; all widths; all layers."""
    sizes, floors = list(widths), list(layers)
    chains = {}
    for start, end in edges:
        bends = range(layers[start] + 1, layers[end])
        chains[start, end] = [start, *range(len(sizes), len(sizes) + len(bends)), end]
        sizes += [0.0] * len(bends)
        floors += bends
    return chains, sizes, floors


def _rows(floors: list[int]) -> list[list[int]]:
    rows: list[list[int]] = [[] for _ in range(max(floors, default=-1) + 1)]
    for box, floor in enumerate(floors):
        rows[floor].append(box)
    return rows


def _sort(rows: list[list[int]], above: list[list[int]], below: list[list[int]]) -> None:
    """Sort each row by the mean place of the neighbours above, then below, and again."""
    rank = {box: float(at) for row in rows for at, box in enumerate(row)}
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        neighbours = above if down else below
        for row in rows if down else reversed(rows):
            row.sort(key=lambda box: _mean([rank[n] for n in neighbours[box]], rank[box]))
            rank.update((box, float(at)) for at, box in enumerate(row))


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _centres(
    rows: list[list[int]],
    above: list[list[int]],
    below: list[list[int]],
    sizes: list[float],
    gap: float,
) -> list[float]:
    x = [0.0] * len(sizes)
    for sweep in range(_SWEEPS + 1):
        down = sweep % 2 == 0
        neighbours = above if down else below
        for row in rows if down else reversed(rows):
            wished = [_mean([x[n] for n in neighbours[box]], x[box]) for box in row]
            for box, centre in zip(row, _apart(wished, [sizes[b] for b in row], gap), strict=True):
                x[box] = centre
    return x


def _apart(wished: list[float], sizes: list[float], gap: float) -> list[float]:
    """The places nearest to those wished, by least squares, at which the boxes do not overlap.

    Measured from where boxes in a dense row would lie, the places must not fall from left to
    right; neighbours that would are pooled at their mean.
    """
    dense, end = [], 0.0
    for size in sizes:
        dense.append(end + size / 2)
        end += size + gap
    pools: list[tuple[float, int]] = []
    for wish, at in zip(wished, dense, strict=True):
        mean, count = wish - at, 1
        while pools and pools[-1][0] > mean:
            other, others = pools.pop()
            mean, count = (mean * count + other * others) / (count + others), count + others
        pools.append((mean, count))
    shifts = [mean for mean, count in pools for _ in range(count)]
    return [at + shift for at, shift in zip(dense, shifts, strict=True)]
