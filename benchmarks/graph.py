"""The engine: forward and backward of a chain, and whether long chains cost more per node."""

from __future__ import annotations

import time
import timeit
from typing import Any

from .libraries import libraries
from .measure import OURS, Group, attempt, interleaved

__all__ = ["backward_per_node", "chain"]

LENGTHS = (100, 1_000, 10_000, 100_000)


def _grow(x: Any, nodes: int) -> Any:
    y = x
    for _ in range(nodes // 2):
        y = y * x
        y = y + x
    return y


def _step(m: Any, nodes: int) -> Any:
    x = m.full((8,), 0.5, requires_grad=True)

    def step() -> None:
        x.grad = None
        _grow(x, nodes).sum().backward()

    return step


def chain() -> Group:
    """100 operations on 8 elements, forward and backward together."""
    timers = {name: timeit.Timer(_step(m, 100)) for name, m in libraries().items()}
    row = attempt("100 operations", lambda: interleaved(timers, repeats=15))
    return Group("forward + backward of a chain", [row], target=0.8)


def _backward_seconds(m: Any, nodes: int) -> float:
    x = m.full((8,), 0.5, requires_grad=True)
    y = _grow(x, nodes).sum()
    start = time.perf_counter()
    y.backward()
    return (time.perf_counter() - start) / nodes


def _per_node(nodes: int) -> dict[str, float]:
    repeats = max(3, min(20, 20_000 // nodes))
    best: dict[str, float] = {}
    for _ in range(repeats):
        for name, m in libraries().items():
            best[name] = min(best.get(name, 1.0), _backward_seconds(m, nodes))
    return best


def backward_per_node() -> Group:
    """Backward alone, per node; each row is also held against our cheapest one."""
    rows = [attempt(f"{nodes} nodes", lambda n=nodes: _per_node(n)) for nodes in LENGTHS]
    ours = [row.seconds[OURS] for row in rows if OURS in row.seconds]
    for row in rows:
        if ours:
            row.seconds["cheapest"] = min(ours)
    title = "backward, per node of a chain (flat)"
    return Group(title, rows, to="cheapest", target=1.5, each=True)
