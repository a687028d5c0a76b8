"""Connectionist temporal classification (Graves et al., 2006): the likelihood of a labelling.

The labels of each sequence, with blanks between and around them, are a *path* of ``P`` places. An
alignment starts at the first label or before it, and at each time stays, goes on by one place, or
skips a blank. ``alpha[t]`` holds the log-likelihood of all alignments that are at a place at time
``t``. What is not allowed costs ``LOW``, a finite number, so that no infinity makes a nan.

Inputs: ``x`` ``(T, N, C)``; ``alive`` ``(T, N, 1)``, 1 while a sequence lasts and 0 after;
``skip``, ``first`` and ``last``, ``(N, P)``, 0 where a place may be skipped to, be the first one
or the last one, and ``LOW`` elsewhere. ``path`` ``(T, N, P)`` is a handle of class numbers.
"""

from __future__ import annotations

from typing import Any

from ..families import GENERIC
from ..registry import op
from .composed import composed

__all__ = ["LOW"]

LOW = -1e30
_INPUTS = ("x", "alive", "skip", "first", "last")


def _from(F: Any, before: Any, skip: Any) -> list[Any]:
    """What staying, going on and skipping start from."""
    rows, places = before.shape
    wide = F.concat([F.full((rows, 2), LOW, F.dtype_of(before)), before], 1)
    one = F.index(wide, (slice(None), slice(1, places + 1)))
    return [before, one, F.index(wide, (slice(None), slice(places))) + skip]


def _moves(F: Any, before: Any, skip: Any) -> tuple[Any, Any]:
    """Their logarithmic sum, and each one's part of it."""
    stay, one, two = _from(F, before, skip)
    top = F.maximum(F.maximum(stay, one), two)
    parts = [F.exp(x - top) for x in (stay, one, two)]
    total = parts[0] + parts[1] + parts[2]
    return top + F.log(total), [part / total for part in parts]


def _run(
    F: Any, x: Any, alive: Any, skip: Any, first: Any, path: Any
) -> tuple[Any, list[list[Any]]]:
    """The last ``alpha``, and the parts of the moves that led to each but the first."""
    emitted = F.maximum(F.gather(x, 2, path), F.full((), LOW, F.dtype_of(x)))
    alpha, moves = first + F.index(emitted, (0,)) * F.index(alive, (0,)), []
    for t in range(1, x.shape[0]):
        live = F.index(alive, (t,))
        total, parts = _moves(F, alpha, skip)
        moves.append(parts)
        alpha = (total + F.index(emitted, (t,))) * live + alpha * (1 - live)
    return alpha, moves


def _total(F: Any, alpha: Any, last: Any) -> tuple[Any, Any]:
    """The log-likelihood, and the share that each last place has in it."""
    ends = alpha + last
    top = F.amax(ends, (1,), True)
    parts = F.exp(ends - top)
    total = F.sum(parts, (1,), True)
    return F.reshape(top + F.log(total), (alpha.shape[0],)), parts / total


def _loss(F: Any, x: Any, alive: Any, skip: Any, first: Any, last: Any, path: Any) -> Any:
    alpha, _ = _run(F, x, alive, skip, first, path)
    return -_total(F, alpha, last)[0]


def _back(F: Any, g: Any, x: Any, alive: Any, skip: Any, first: Any, last: Any, path: Any) -> Any:
    """Back through time: ``share`` is the probability of each place, given the labels."""
    alpha, moves = _run(F, x, alive, skip, first, path)
    share = _total(F, alpha, last)[1] * F.reshape(-g, (alpha.shape[0], 1))
    rows, places = alpha.shape
    border, shares = F.zeros((rows, 2), F.dtype_of(alpha)), []
    for t in range(x.shape[0] - 1, 0, -1):
        live = F.index(alive, (t,))
        shares.append(share * live)
        stay, one, two = (share * part for part in moves[t - 1])
        one, two = F.concat([one, border], 1), F.concat([two, border], 1)
        one = F.index(one, (slice(None), slice(1, places + 1)))
        two = F.index(two, (slice(None), slice(2, places + 2)))
        share = (stay + one + two) * live + share * (1 - live)
    shares.append(share * F.index(alive, (0,)))
    zeros = F.zeros(tuple(x.shape), F.dtype_of(x))
    return F.scatter_add(zeros, F.stack(shares[::-1], 0), 2, path)


composed("ctc_loss_back", _back, ("g", *_INPUTS), ("path",))
op("ctc_loss", GENERIC, inputs=_INPUTS, attrs=("path",), xp=None, public=False, generic=_loss,
   node="CtcLoss",
   grad={"x": lambda F, g, x, alive, skip, first, last, path: F.ctc_loss_back(
       g, x, alive, skip, first, last, path)})  # fmt: skip
