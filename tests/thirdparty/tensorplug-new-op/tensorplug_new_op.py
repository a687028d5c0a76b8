"""The op ``lambertw``: what w is where ``w * exp(w)`` is x, on every device."""

import math
from collections.abc import Callable
from typing import Any

from tensorplug.backends import hookimpl


def _lambertw(F: Any, x: Any) -> Any:
    """Halley's steps, each of which triples the number of right digits."""
    inside = F.logical_and(x >= -1 / math.e, x < math.inf)
    x, given = F.where(inside, x, 0.0), x
    w = F.log1p(x)
    for _ in range(6):
        power = F.exp(w)
        error = w * power - x
        w = w - error / (power * (w + 1) - (w + 2) * error / (2 * w + 2))
    return F.where(inside, w, F.where(given == math.inf, given, math.nan))


def _reference(np: Any, x: Any) -> Any:
    from scipy.special import lambertw

    found = lambertw(x)
    return np.where(found.imag == 0, found.real, np.nan)


def _declare() -> None:
    # Imported here, when tensorplug itself is complete.
    from tensorplug.autograd.families import UNARY
    from tensorplug.autograd.kinds import REAL_FLOAT
    from tensorplug.autograd.registry import op

    op(
        "lambertw",
        UNARY,
        dtype=REAL_FLOAT,
        xp=None,
        generic=_lambertw,
        grad=lambda F, g, out: g / (F.exp(out) * (1 + out)),
        domain=(-0.3, 4),
        ref=_reference,
    )


@hookimpl
def tensorplug_ops() -> list[Callable[[], None] | str]:
    """What declares the ops: functions to call, or modules to import."""
    return [_declare]
