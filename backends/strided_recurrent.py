"""Recurrent layers for NumPy-like array modules; formulas in ``autograd/ops/recurrent.py``.

Arrays of gates have the shape (gates, N, H), so that a gate of a step is one block of memory;
``kept`` is such an array. The products with the inputs, all sums over time and all derivatives
that need no gradient are computed at once; what remains in the loops is one batched product and a
few operations on blocks that stay in the cache. A sigmoid is ``tanh(x / 2) / 2 + 1 / 2``: with its
weights halved beforehand, all gates take one tanh.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .base import Kernel
from .sequences import State, before, steps

__all__ = ["kernels"]

Sizes = tuple[int, ...]


def _index(x: Any, key: Any) -> Any:
    return x[key]


def _flat(gradient: Any) -> Any:
    """Gates one below the other, as in a parameter."""
    return gradient.reshape(gradient.shape[0] * gradient.shape[1], *gradient.shape[2:])


class _Layer:
    """A layer on one packed batch: what the cells do alike. ``gates`` is how many they have."""

    gates: int
    sigmoids: tuple[int, ...] = ()
    """The gates with a sigmoid."""
    kept: Any = None
    out: Any
    for_inputs: Any
    """Gradients of the gates before their functions: (gates, N, H), in the weights' order."""
    for_hidden: Any
    """The same for the part that the state takes in, in the order of :meth:`rolled`."""

    room: Callable[[Any], Any]
    """Make ``kept``, and give the array that the gates go into."""
    step: Callable[[slice, Any, Any, Any], Any]
    """One step: from its rows, the product of state and weights, and the state to the next one."""
    slopes: Callable[[Any, Any], None]
    """Fill ``for_inputs`` and ``for_hidden`` with all factors that need no gradient."""
    step_back: Callable[[slice, Any, Any], Any]
    """Multiply the rows of a step by its gradient; give what goes to the step before directly."""
    for_projection: Callable[[], Any]

    def __init__(self, xp: Any, weights: Any, sizes: Sizes, backwards: bool) -> None:
        self.xp, self.sizes, self.backwards = xp, sizes, backwards
        self.w_ih, self.w_hh, b_ih, b_hh, self.w_hr = weights
        self.width = self.w_hh.shape[0] // self.gates
        self.biases = None if b_ih is None else (b_ih, b_hh)
        self.half = xp.ones((self.gates, 1, 1), self.w_hh.dtype)
        for gate in self.sigmoids:
            self.half[gate] = 0.5
        self.shift = 1 - self.half

    def by_gate(self, weight: Any) -> Any:
        return weight.reshape(self.gates, self.width, *weight.shape[1:])

    def scaled(self, weight: Any) -> Any:
        """A copy of weights (gates * H, inputs) by gate, ready for tanh."""
        return self.by_gate(weight) * self.half

    def rolled(self, gates: Any, by: int) -> Any:
        return gates

    def bias(self, which: tuple[Any, Any]) -> Any:
        """What is added to the product with the state, (gates, 1, H)."""
        return self.scaled((which[0] + which[1])[:, None]).transpose(0, 2, 1)

    def state(self, start: Any, backwards: bool) -> State:
        rows = self.sizes[-1 if backwards else 0]
        return State(_index, self.xp.concatenate, start, rows)

    def before(self, start: Any, values: Any) -> list[tuple[slice, Any]]:
        """For some rows at a time, the states that their steps began with."""
        rows, count = values.shape[0], self.sizes[0]
        if count != self.sizes[-1]:
            join = self.xp.concatenate
            found = before(_index, join, start, values, self.sizes, self.backwards)
            return [(slice(None), found)]
        if self.backwards:
            return [(slice(rows - count), values[count:]), (slice(rows - count, rows), start)]
        return [(slice(count), start), (slice(count, rows), values[: rows - count])]

    def forward(self, x: Any, h0: Any, c0: Any) -> tuple[Any, ...]:
        xp = self.xp
        self.out = xp.empty((x.shape[0], h0.shape[1]), x.dtype)
        xp.matmul(x, self.scaled(self.w_ih).transpose(0, 2, 1), out=self.room(x))
        bias = None if self.biases is None else self.bias(self.biases)
        weight = xp.ascontiguousarray(self.scaled(self.w_hh).transpose(0, 2, 1))
        room = xp.empty((self.gates, h0.shape[0], self.width), x.dtype)
        hidden = self.state(h0, self.backwards)
        cell = None if c0 is None else self.state(c0, self.backwards)
        for rows in steps(self.sizes, self.backwards):
            h = hidden.resize(rows.stop - rows.start)
            product = xp.matmul(h, weight, out=room[:, : h.shape[0]])
            if bias is not None:  # here, because the products are in the cache
                product += bias
            hidden.now = self.step(rows, product, h, cell)
        last = None if cell is None else cell.last().copy()
        return self.out, hidden.last().copy(), last, self.kept

    def back(
        self, g: tuple[Any, Any, Any], x: Any, h0: Any, c0: Any, out: Any, kept: Any, needs: Any
    ) -> tuple[Any, ...]:
        xp, (g_out, g_h, g_c), backwards = self.xp, g, not self.backwards
        self.out, self.kept = out, kept
        h = self.before(h0, out)
        self.slopes(h, c0)
        hidden, cell = self.state(xp.zeros_like(h0) if g_h is None else g_h, backwards), None
        if c0 is not None:
            cell = self.state(xp.zeros_like(c0) if g_c is None else g_c, backwards)
        weight = self.rolled(self.by_gate(self.w_hh), 1)
        room = xp.empty((self.gates, *h0.shape), x.dtype)
        for rows in steps(self.sizes, backwards):
            dh = hidden.resize(rows.stop - rows.start)
            dh = dh.copy() if g_out is None else dh + g_out[rows]
            carried = self.step_back(rows, dh, cell)
            product = xp.matmul(self.for_hidden[:, rows], weight, out=room[:, : dh.shape[0]])
            dh = xp.add.reduce(product, axis=0)
            if carried is not None:
                dh += carried
            hidden.now = dh
        for_x, *for_weights = self.results(x, h, needs)
        return for_x, hidden.last(), None if cell is None else cell.last(), *for_weights

    def results(self, x: Any, h: Any, needs: Any) -> tuple[Any, ...]:
        """The gradients of ``x`` and of all weights, from those of the gates."""
        xp, inputs, hidden = self.xp, self.for_inputs, self.for_hidden
        for_x, ones = None, xp.ones(x.shape[0], x.dtype)
        if needs[0]:
            parts = zip(inputs, self.by_gate(self.w_ih), strict=True)
            for_x = sum(xp.dot(gate, weight) for gate, weight in parts)
        matmul, rolled = xp.matmul, self.rolled
        return (
            for_x,
            _flat(matmul(inputs.transpose(0, 2, 1), x)) if needs[3] else None,
            _flat(rolled(self.outer(hidden, h), -1)) if needs[4] else None,
            _flat(matmul(ones, inputs)) if needs[5] else None,
            _flat(rolled(matmul(ones, hidden), -1)) if needs[6] else None,
            self.for_projection() if needs[7] else None,
        )

    def outer(self, gates: Any, h: list[tuple[slice, Any]]) -> Any:
        """The sum over all rows of the products of gates and states: (gates, H, outputs)."""
        parts = (self.xp.matmul(gates[:, rows].transpose(0, 2, 1), part) for rows, part in h)
        return sum(parts)


class _Plain(_Layer):
    """``tanh`` or ``relu`` of one gate, which is the output itself."""

    gates = 1
    squash: Callable[[Any], Any]
    slope: Callable[[], Any]

    def room(self, x: Any) -> Any:
        self.kept = self.xp.empty(0, x.dtype)
        return self.out[None]

    def step(self, rows: slice, product: Any, h: Any, cell: Any) -> Any:
        now = self.out[rows]
        now += product[0]
        return self.squash(now)

    def slopes(self, h: Any, c0: Any) -> None:
        self.for_inputs = self.for_hidden = self.slope()[None]

    def step_back(self, rows: slice, dh: Any, cell: Any) -> Any:
        self.for_hidden[0, rows] *= dh


class _Tanh(_Plain):
    def squash(self, now: Any) -> Any:
        return self.xp.tanh(now, out=now)

    def slope(self) -> Any:
        return 1 - self.out * self.out


class _Relu(_Plain):
    def squash(self, now: Any) -> Any:
        return self.xp.maximum(now, 0, out=now)

    def slope(self) -> Any:
        return (self.out > 0).astype(self.out.dtype)


class _Lstm(_Layer):
    """Gates i, f, g, o; ``kept`` holds them and the cell's values."""

    gates, sigmoids = 4, (0, 1, 3)
    grads: Any
    inner: Any
    """The output before the projection."""

    def room(self, x: Any) -> Any:
        self.kept = self.xp.empty((5, x.shape[0], self.width), x.dtype)
        return self.kept[:4]

    def step(self, rows: slice, product: Any, h: Any, cell: Any) -> Any:
        xp, c = self.xp, cell.resize(h.shape[0])
        gates, now = self.kept[:4, rows], self.kept[4, rows]
        gates += product
        xp.tanh(gates, out=gates)
        gates *= self.half
        gates += self.shift
        i, f, g, o = gates
        xp.multiply(f, c, out=now)
        now += i * g
        cell.now = now
        if self.w_hr is None:
            return xp.multiply(o, xp.tanh(now), out=self.out[rows])
        return xp.dot(o * xp.tanh(now), self.w_hr.T, out=self.out[rows])

    def slopes(self, h: Any, c0: Any) -> None:
        xp, (i, f, g, o, now) = self.xp, self.kept
        along = xp.tanh(now)
        self.inner = self.out if self.w_hr is None else o * along
        along *= self.inner
        self.along = xp.subtract(o, along, out=along)  # o (1 - tanh(c)^2)
        slopes = xp.empty((4, *now.shape), now.dtype)
        for_i, for_f, for_g, for_o = slopes
        xp.subtract(1, i, out=for_i)
        for_i *= i
        for_i *= g
        xp.subtract(1, f, out=for_f)
        for_f *= f
        for rows, start in self.before(c0, now):
            for_f[rows] *= start
        xp.multiply(g, g, out=for_g)
        xp.subtract(1, for_g, out=for_g)
        for_g *= i
        xp.subtract(1, o, out=for_o)
        for_o *= self.inner
        self.for_inputs = self.for_hidden = slopes
        self.grads = None if self.w_hr is None else xp.empty_like(self.out)

    def step_back(self, rows: slice, dh: Any, cell: Any) -> Any:
        if self.w_hr is not None:
            self.grads[rows] = dh
            dh = self.xp.dot(dh, self.w_hr)
        dc = cell.resize(dh.shape[0])
        gates = self.for_hidden[:, rows]
        gates[3] *= dh
        dh *= self.along[rows]
        dh += dc
        gates[:3] *= dh
        cell.now = self.xp.multiply(dh, self.kept[1, rows], out=dh)

    def for_projection(self) -> Any:
        return self.xp.dot(self.grads.T, self.inner)


class _Gru(_Layer):
    """Gates r, z, n; ``kept`` holds them and what r multiplies."""

    gates, sigmoids = 3, (0, 1)

    def rolled(self, gates: Any, by: int) -> Any:
        return self.xp.roll(gates, by, 0)  # n, r, z and back

    def bias(self, which: tuple[Any, Any]) -> Any:
        inputs, hidden = (self.by_gate(bias)[:, None] * self.half for bias in which)
        self.kept[2] += inputs[2]
        hidden[:2] += inputs[:2]
        return hidden

    def room(self, x: Any) -> Any:
        self.kept = self.xp.empty((4, x.shape[0], self.width), x.dtype)
        return self.kept[:3]

    def step(self, rows: slice, product: Any, h: Any, cell: Any) -> Any:
        xp, gates = self.xp, self.kept[:, rows]
        both, (r, z, n, inner) = gates[:2], gates
        both += product[:2]
        xp.tanh(both, out=both)
        both *= 0.5
        both += 0.5
        inner[...] = product[2]
        n += r * inner
        xp.tanh(n, out=n)
        now = xp.subtract(h, n, out=self.out[rows])
        now *= z
        now += n
        return now

    def slopes(self, h: Any, c0: Any) -> None:
        xp, (r, z, n, inner) = self.xp, self.kept
        slopes = xp.empty_like(self.kept)  # n's hidden part, r, z, n's input part
        rest = 1 - z
        by_n = xp.multiply(n, n, out=slopes[3])
        xp.subtract(1, by_n, out=by_n)
        by_n *= rest
        xp.multiply(by_n, r, out=slopes[0])
        xp.subtract(1, r, out=slopes[1])
        slopes[1] *= slopes[0]
        slopes[1] *= inner
        for rows, start in h:
            xp.subtract(start, n[rows], out=slopes[2, rows])
        slopes[2] *= z
        slopes[2] *= rest
        self.all = slopes
        self.for_inputs, self.for_hidden = slopes[1:], slopes[:3]

    def step_back(self, rows: slice, dh: Any, cell: Any) -> Any:
        self.all[:, rows] *= dh
        dh *= self.kept[1, rows]
        return dh


_CELLS = {"lstm": _Lstm, "gru": _Gru, "tanh": _Tanh, "relu": _Relu}


def _wide(xp: Any, x: Any) -> Any:
    half = x is not None and x.dtype.itemsize == 2
    return x.astype(xp.float32) if half else x


def kernels(xp: Any) -> dict[str, Kernel]:
    """``recurrent`` and ``recurrent_back``, bound to an array module; halves compute in float32."""

    def recurrent(
        x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any,
        mode: str, sizes: Sizes, backwards: bool,
    ) -> Any:  # fmt: skip
        dtype = x.dtype
        x, h0, c0, *weights = (_wide(xp, v) for v in (x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr))
        *found, kept = _CELLS[mode](xp, weights, sizes, backwards).forward(x, h0, c0)
        return *(v if v is None else v.astype(dtype, copy=False) for v in found), kept

    def recurrent_back(
        g_out: Any, g_h: Any, g_c: Any, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any,
        b_ih: Any, b_hh: Any, w_hr: Any, out: Any, kept: Any, mode: str, sizes: Sizes,
        backwards: bool, needs: Any,
    ) -> Any:  # fmt: skip
        dtype = x.dtype
        given = (g_out, g_h, g_c, x, h0, c0, out, kept, w_ih, w_hh, b_ih, b_hh, w_hr)
        g_out, g_h, g_c, x, h0, c0, out, kept, *weights = (_wide(xp, v) for v in given)
        layer = _CELLS[mode](xp, weights, sizes, backwards)
        found = layer.back((g_out, g_h, g_c), x, h0, c0, out, kept, needs)
        return tuple(v if v is None else v.astype(dtype, copy=False) for v in found)

    return {"recurrent": recurrent, "recurrent_back": recurrent_back}
