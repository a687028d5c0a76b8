"""Recurrent layers: one row that runs a cell over a whole packed batch of sequences.

Sequences are packed (see ``backends/sequences.py``); those of equal length are the special case
of equal sizes. Shapes: ``x`` (N, inputs), ``h0`` (batch,
outputs), ``c0`` (batch, H), ``w_ih`` (G * H, inputs), ``w_hh`` (G * H, outputs), biases (G * H),
``w_hr`` (outputs, H) for LSTMs that project their output, where ``N = sum(sizes)``.

With ``a = w_ih x + b_ih`` and ``b = w_hh h + b_hh``, cut into the G gates of a cell:

* ``tanh``, ``relu``: ``h = tanh(a + b)`` or ``relu(a + b)``;
* ``lstm``: ``i, f, o = sigmoid(a + b)``, ``g = tanh(a + b)``, ``c = f c + i g``,
  ``h = w_hr (o tanh(c))`` (Hochreiter and Schmidhuber, 1997; Gers et al., 2000);
* ``gru``: ``r, z = sigmoid(a + b)``, ``n = tanh(a + r b)``, ``h = (1 - z) n + z h``
  (Cho et al., 2014, with the reset gate after the product).

The output ``kept`` is what the way back needs besides the inputs; its layout is a matter between
``recurrent`` and ``recurrent_back`` of one backend, which therefore come in pairs.
"""

from __future__ import annotations

from typing import Any

from ...backends.sequences import State, before, steps
from ..families import GENERIC
from ..kernels import tensor_kernels
from ..registry import op

__all__: list[str] = []

Sizes = tuple[int, ...]
_ALL = slice(None)
_INPUTS = ("x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh", "w_hr")


def _state(F: Any, start: Any, sizes: Sizes, backwards: bool) -> State:
    return State(F.index, F.concat, start, sizes[-1 if backwards else 0])


def _gates(F: Any, x: Any, count: int) -> list[Any]:
    width = x.shape[-1] // count
    return [F.index(x, (_ALL, slice(k * width, (k + 1) * width))) for k in range(count)]


def _packed(F: Any, parts: list[Any], backwards: bool) -> Any:
    return F.concat(parts[::-1] if backwards else parts, 0)


# --- forward ------------------------------


def _cell(F: Any, mode: str, a: Any, b: Any, h: Any, c: Any) -> tuple[Any, Any, Any]:
    """One step: the new ``h`` and ``c``, and what the way back needs."""
    if mode == "lstm":
        i, f, g, o = _gates(F, a + b, 4)
        i, f, g, o = F.sigmoid(i), F.sigmoid(f), F.tanh(g), F.sigmoid(o)
        c = f * c + i * g
        return o * F.tanh(c), c, F.concat([i, f, g, o, c], 1)
    if mode == "gru":
        (ar, az, an), (br, bz, bn) = _gates(F, a, 3), _gates(F, b, 3)
        r, z = F.sigmoid(ar + br), F.sigmoid(az + bz)
        n = F.tanh(an + r * bn)
        return n + z * (h - n), None, F.concat([r, z, n, bn], 1)
    return (F.tanh(a + b) if mode == "tanh" else F.relu(a + b)), None, None


def _forward(
    F: Any, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any,
    mode: str, sizes: Sizes, backwards: bool,
) -> Any:  # fmt: skip
    inputs = F.linear(x, w_ih, b_ih)
    hidden = _state(F, h0, sizes, backwards)
    cell = _state(F, h0 if c0 is None else c0, sizes, backwards)
    outs, kept = [], []
    for step in steps(sizes, backwards):
        rows = step.stop - step.start
        h = hidden.resize(rows)
        c = cell.resize(rows) if mode == "lstm" else None
        a, b = F.index(inputs, (step,)), F.linear(h, w_hh, b_hh)
        h, cell.now, keep = _cell(F, mode, a, b, h, c)
        hidden.now = h if w_hr is None else F.linear(h, w_hr, None)
        outs.append(hidden.now)
        kept.append(keep)
    last = (hidden.last(), cell.last() if mode == "lstm" else None)
    if mode in ("tanh", "relu"):
        return _packed(F, outs, backwards), *last, F.zeros((0,), F.dtype_of(x))
    return _packed(F, outs, backwards), *last, _packed(F, kept, backwards)


# --- backward ------------------------------


def _slopes(F: Any, mode: str, out: Any, kept: Any, h: Any, c: Any) -> tuple[Any, ...]:
    """The derivatives of all steps at once: of the gates, and of what is handed on.

    Of an LSTM: of the gates by ``c`` (the last one by ``h``); of ``c`` by ``h``; the forget gate.
    Of a GRU: of the gates' hidden parts; of the input part of ``n``; the update gate.
    """
    if mode == "lstm":
        i, f, g, o, now = _gates(F, kept, 5)
        t = F.tanh(now)
        slopes = [g * i * (1 - i), c * f * (1 - f), i * (1 - g * g), t * o * (1 - o)]
        return F.concat(slopes, 1), o * (1 - t * t), f
    if mode == "gru":
        r, z, n, b = _gates(F, kept, 4)
        by_n = (1 - z) * (1 - n * n)
        return F.concat([by_n * b * r * (1 - r), (h - n) * z * (1 - z), by_n * r], 1), by_n, z
    if mode == "tanh":
        return (1 - out * out, None, None)
    return F.cast(out > 0, F.dtype_of(out)), None, None


def _walk(
    F: Any, gs: Any, slopes: Any, w_hh: Any, w_hr: Any, mode: str, sizes: Sizes, backwards: bool
) -> tuple[Any, ...]:
    """The gradients of gates (hidden part) and outputs, packed, and of both first states."""
    g_out, g_h, g_c = gs
    by_gate, along, keep = slopes
    hidden, cell = (_state(F, g, sizes, not backwards) for g in (g_h, g_c))
    gates, outs = [], []
    for rows in steps(sizes, not backwards):
        step, count = (rows,), rows.stop - rows.start
        dh = hidden.resize(count)
        if g_out is not None:
            dh = dh + F.index(g_out, step)
        outs.append(dh)
        slope = F.index(by_gate, step)
        if mode == "lstm":
            dm = dh if w_hr is None else F.matmul(dh, w_hr)
            dc = cell.resize(count) + dm * F.index(along, step)
            gates.append(F.concat([dc, dc, dc, dm], 1) * slope)
            cell.now = dc * F.index(keep, step)
        else:
            gates.append((F.concat([dh, dh, dh], 1) if mode == "gru" else dh) * slope)
        hidden.now = F.matmul(gates[-1], w_hh)
        if mode == "gru":
            hidden.now = hidden.now + dh * F.index(keep, step)
    first = (hidden.last(), cell.last() if mode == "lstm" else None)
    return _packed(F, gates, not backwards), _packed(F, outs, not backwards), *first


def _back(
    F: Any, g_out: Any, g_h: Any, g_c: Any, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any,
    b_ih: Any, b_hh: Any, w_hr: Any, out: Any, kept: Any, mode: str, sizes: Sizes,
    backwards: bool, needs: Any,
) -> Any:  # fmt: skip
    """The gradients of all inputs, None where not needed or where there is no such input."""
    lstm = mode == "lstm"
    g_h = F.zeros(tuple(h0.shape), F.dtype_of(h0)) if g_h is None else g_h
    first = c0 if lstm else h0
    g_c = F.zeros(tuple(first.shape), F.dtype_of(first)) if g_c is None else g_c
    h = before(F.index, F.concat, h0, out, sizes, backwards)
    c = None
    if lstm:
        c = before(F.index, F.concat, c0, _gates(F, kept, 5)[4], sizes, backwards)
    slopes = _slopes(F, mode, out, kept, h, c)
    hidden, outs, for_h, for_c = _walk(
        F, (g_out, g_h, g_c), slopes, w_hh, w_hr, mode, sizes, backwards
    )
    inputs = hidden
    if mode == "gru":
        inputs = F.concat([*_gates(F, hidden, 3)[:2], outs * slopes[1]], 1)
    for_w_hr = None
    if needs[7]:
        _, _, _, o, now = _gates(F, kept, 5)
        for_w_hr = F.matmul(F.permute(outs, (1, 0)), o * F.tanh(now))
    return (
        F.matmul(inputs, w_ih) if needs[0] else None,
        for_h,
        for_c,
        F.matmul(F.permute(inputs, (1, 0)), x) if needs[3] else None,
        F.matmul(F.permute(hidden, (1, 0)), h) if needs[4] else None,
        F.row_sum(inputs) if needs[5] else None,
        F.row_sum(hidden) if needs[6] else None,
        for_w_hr,
    )


def _back_again(*args: Any) -> Any:
    """The way back over tensors: what was kept is computed anew, so that it has a history."""
    F, inputs, settings = tensor_kernels(args[3]._device), args[3:11], args[13:16]
    out, _, _, kept = _forward(F, *inputs, *settings)
    values = (*args[:11], out, kept, *args[13:])
    return _back(F, *values)


def _rule(
    F: Any, g: Any, x: Any, h0: Any, c0: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any,
    w_hr: Any, out: Any, kept: Any, mode: str, sizes: Sizes, backwards: bool, needs: Any,
) -> Any:  # fmt: skip
    return F.recurrent_back(
        g[0], g[1], g[2], x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, out, kept, mode, sizes,
        backwards, needs,
    )  # fmt: skip


_ATTRS = ("mode", "sizes", "backwards")

op("recurrent_back", GENERIC, inputs=("g_out", "g_h", "g_c", *_INPUTS, "values", "kept"),
   attrs=(*_ATTRS, "needs"), outputs=tuple(f"for_{name}" for name in _INPUTS), xp=None,
   public=False, generic=_back, call=_back_again)  # fmt: skip
_ROW = op("recurrent", GENERIC, inputs=_INPUTS, attrs=_ATTRS,
          outputs=("out", "h_n", "c_n", "kept"), xp=None, public=False, generic=_forward,
          grad={_INPUTS: _rule})  # fmt: skip
_ROW.node_type.materialize = False  # outputs that nothing used need no zeros
