"""Recurrent layers over whole sequences: RNN, LSTM and GRU."""

from __future__ import annotations

import math
import warnings
from typing import Any

import tensorplug as tp
from tensorplug.autograd.registry import ROWS
from tensorplug.autograd.tensor import Tensor

from . import functional as F
from . import init
from ._errors import as_weights
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence

__all__ = ["GRU", "LSTM", "RNN", "RNNBase"]

_recurrent = ROWS["recurrent"].call

# What the modes of RNNBase are for the op: the cell, and how many gates it has.
CELLS = {"LSTM": ("lstm", 4), "GRU": ("gru", 3), "RNN_TANH": ("tanh", 1), "RNN_RELU": ("relu", 1)}


class RNNBase(Module):
    """What :class:`RNN`, :class:`LSTM` and :class:`GRU` share: weights, layers, directions.

    Args:
        mode: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
        input_size: features of the input.
        hidden_size: features of the state, H.
        num_layers: how many layers, each over the outputs of the one before.
        bias: whether there are biases.
        batch_first: sequences are ``(batch, time, features)`` instead of ``(time, batch, ...)``.
        dropout: probability of dropout after all layers but the last.
        bidirectional: run over each sequence in both directions, D = 2 instead of 1.
        proj_size: features that the output of an LSTM is projected to; 0 for none.
        device, dtype: of the parameters.

    All parameters start evenly distributed within ``1 / sqrt(hidden_size)``.

    Differs from torch: under autocast all of them compute in the dtype of their parameters, where
    PyTorch's LSTM gives the autocast dtype.

    Raises:
        ValueError, TypeError: settings out of range.
    """

    def __init__(
        self, mode: str, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
        proj_size: int = 0, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._check_settings()
        out = proj_size or hidden_size
        rows, directions = CELLS[mode][1] * hidden_size, 2 if bidirectional else 1
        self._names: list[list[str]] = []  # of the parameters, by layer and direction
        for layer in range(num_layers):
            inner = input_size if layer == 0 else out * directions
            shapes: dict[str, tuple[int, ...]]
            shapes = {"weight_ih": (rows, inner), "weight_hh": (rows, out)}
            if bias:
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
            if proj_size:
                shapes["weight_hr"] = (proj_size, hidden_size)
            for suffix in ("", "_reverse")[:directions]:
                names = {f"{name}_l{layer}{suffix}": shape for name, shape in shapes.items()}
                for name, shape in names.items():
                    setattr(self, name, Parameter(tp.empty(shape, device=device, dtype=dtype)))
                self._names.append(list(names))
        self.reset_parameters()

    def _check_settings(self) -> None:
        name, p = self._get_name(), self.dropout
        if self.mode not in CELLS:
            raise ValueError(f"{name}: expected mode one of {', '.join(CELLS)}, got {self.mode!r}")
        if not isinstance(p, (int, float)) or isinstance(p, bool) or not 0 <= p <= 1:
            raise ValueError(f"{name}: expected dropout to be a probability from 0 to 1, got {p!r}")
        if not isinstance(self.hidden_size, int):
            raise TypeError(
                f"{name}: expected hidden_size to be an int, got {type(self.hidden_size).__name__}"
            )
        for what in ("hidden_size", "num_layers"):
            if getattr(self, what) <= 0:
                raise ValueError(f"{name}: expected {what} above 0, got {getattr(self, what)}")
        if not 0 <= self.proj_size < self.hidden_size:
            raise ValueError(
                f"{name}: expected proj_size from 0 to below hidden_size={self.hidden_size}, "
                f"got {self.proj_size}"
            )
        if p > 0 and self.num_layers == 1:
            warnings.warn(
                f"{name}: expected num_layers above 1 with dropout={p}, got 1; dropout is applied "
                "between layers only",
                UserWarning,
                stacklevel=4,
            )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._names]

    @property
    def _flat_weights(self) -> list[Tensor]:
        return [weight for weights in self.all_weights for weight in weights]

    def flatten_parameters(self) -> None:
        """Nothing: no backend here asks for all parameters in one piece of memory."""

    # --- forward ----------------------------------------------------------------------------------
    def forward(self, input: Any, hx: Any = None) -> Any:
        """Run over a batch of sequences.

        Args:
            input: shape ``(T, B, input_size)``; ``(B, T, input_size)`` with ``batch_first``;
                ``(T, input_size)`` for one sequence; or a :class:`PackedSequence`.
            hx: the first state, ``(D * num_layers, B, H)``, without ``B`` for one sequence; an
                LSTM takes a pair of them. Zeros when None.

        Returns:
            The states of the last layer, ``(T, B, D * H)`` or as the input is; and the last
            states of all layers, shaped as ``hx``.
        """
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        input = self._checked(input, (2, 3))
        batched = input.dim() == 3
        x = input if batched else input.unsqueeze(1)
        if self.batch_first and batched:
            x = x.transpose(0, 1)
        steps, batch = x.shape[:2]
        if not steps:
            raise RuntimeError(f"{self._get_name()}: expected a sequence of at least 1 step, got 0")
        states = self._states(hx, batch, batched, input)
        flat = x.reshape(steps * batch, x.shape[2])
        out, last = self._layers(flat, (batch,) * steps, states)
        out = out.reshape(steps, batch, out.shape[1])
        if not batched:
            return out.squeeze(1), self._result([state.squeeze(1) for state in last])
        return (out.transpose(0, 1) if self.batch_first else out), self._result(last)

    def _packed(self, input: PackedSequence, hx: Any) -> Any:
        data, sizes, order, back = input
        data = self._checked(data, (2,))
        counts = tuple(sizes.tolist())
        states = self._states(hx, counts[0], True, data)
        if hx is not None and order is not None:
            states = [state.index_select(1, order) for state in states]
        out, last = self._layers(data, counts, states)
        if back is not None:
            last = [state.index_select(1, back) for state in last]
        return PackedSequence(out, sizes, order, back), self._result(last)

    def _result(self, last: list[Tensor]) -> Any:
        return tuple(last) if self.mode == "LSTM" else last[0]

    def _layers(
        self, x: Tensor, sizes: tuple[int, ...], states: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """All layers over packed data; the last states as ``(D * num_layers, B, H)`` each."""
        cell, directions = CELLS[self.mode][0], 2 if self.bidirectional else 1
        last: list[list[Tensor]] = [[] for _ in states]
        outs: list[Tensor] = []
        for number, weights in enumerate(self.all_weights):
            backwards = number % directions == 1
            if number and not backwards:
                x = outs[0] if directions == 1 else tp.cat(outs, 1)
                if self.dropout and self.training:
                    x = F.dropout(x, self.dropout)
                outs = []
            first = [state[number] for state in states] + [None] * (2 - len(states))
            out, *ends, _ = _recurrent(
                x, *first, *weights[:2], *(weights[2:4] if self.bias else (None, None)),
                weights[-1] if self.proj_size else None, cell, sizes, backwards,
            )  # fmt: skip
            outs.append(out)
            for kept, end in zip(last, ends, strict=False):
                kept.append(end)
        out = outs[0] if directions == 1 else tp.cat(outs, 1)
        return out, [tp.stack(kept) for kept in last]

    # --- checks -----------------------------------------------------------------------------------
    def _checked(self, input: Any, dims: tuple[int, ...]) -> Tensor:
        """The input, if it fits; where autocast made it, in the dtype of the weights."""
        name, weight = self._get_name(), getattr(self, self._names[0][0])
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}: expected a tensor or a PackedSequence, got {type(input).__name__}"
            )
        if input.dim() not in dims:
            wanted = " or ".join(map(str, dims))
            raise ValueError(
                f"{name}: expected an input of {wanted} dimensions, got shape {tuple(input.shape)}"
            )
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"{name}: expected an input of {self.input_size} features, got "
                f"{input.shape[-1]}: shape {tuple(input.shape)}"
            )
        return as_weights(name, input, weight)

    def _states(self, hx: Any, batch: int, batched: bool, input: Tensor) -> list[Tensor]:
        """The first states, each ``(D * num_layers, B, features)``; zeros when none are given."""
        lstm, layers = self.mode == "LSTM", len(self._names)
        shapes = [(layers, batch, self.proj_size or self.hidden_size)]
        if lstm:
            shapes.append((layers, batch, self.hidden_size))
        if hx is None:
            return [tp.zeros(shape, dtype=input.dtype, device=input.device) for shape in shapes]
        if lstm and not (isinstance(hx, (tuple, list)) and len(hx) == 2):
            raise RuntimeError(
                f"{self._get_name()}: expected a pair (h_0, c_0) as hx, got {type(hx).__name__}"
            )
        given = [as_weights(self._get_name(), state, input) for state in (hx if lstm else [hx])]
        for state, shape in zip(given, shapes, strict=True):
            wanted = shape if batched else (shape[0], shape[2])
            if tuple(state.shape) != wanted:
                raise RuntimeError(
                    f"{self._get_name()}: expected a first state of shape {wanted}, got "
                    f"{tuple(state.shape)}"
                )
        return given if batched else [state.unsqueeze(1) for state in given]

    def extra_repr(self) -> str:
        """The sizes, and the settings that are not the default."""
        defaults = {
            "proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0,
            "bidirectional": False,
        }  # fmt: skip
        found = [
            f"{name}={getattr(self, name)}"
            for name, usual in defaults.items()
            if getattr(self, name) != usual
        ]
        return ", ".join([str(self.input_size), str(self.hidden_size), *found])


class RNN(RNNBase):
    """``h = tanh(w_ih x + b_ih + w_hh h + b_hh)`` for every step (Elman, 1990).

    Args:
        input_size, hidden_size, num_layers: see :class:`RNNBase`.
        nonlinearity: "tanh" or "relu".
        bias, batch_first, dropout, bidirectional, device, dtype: see :class:`RNNBase`.

    Raises:
        ValueError: settings out of range.

    Example:
        >>> out, h_n = tp.nn.RNN(3, 4)(tp.zeros(7, 2, 3))
        >>> out.shape, h_n.shape
        (tensorplug.Size([7, 2, 4]), tensorplug.Size([1, 2, 4]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("RNN: expected no proj_size, which is for LSTM only, got one")
        nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if len(args) > 3:
            nonlinearity, args = args[3], (*args[:3], *args[4:])
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: expected nonlinearity 'tanh' or 'relu', got {nonlinearity!r}")
        self.__dict__["nonlinearity"] = nonlinearity
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)


class LSTM(RNNBase):
    """A long short-term memory, with gates i, f, g, o one below the other in the weights.

    ``i, f, o`` are sigmoids and ``g`` is a tanh of ``w_ih x + b_ih + w_hh h + b_hh``; then
    ``c = f c + i g`` and ``h = o tanh(c)``, times ``weight_hr`` with ``proj_size``.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size,
            device, dtype: see :class:`RNNBase`.

    Example:
        >>> out, (h_n, c_n) = tp.nn.LSTM(3, 4, num_layers=2)(tp.zeros(7, 2, 3))
        >>> out.shape, h_n.shape, c_n.shape
        (tensorplug.Size([7, 2, 4]), tensorplug.Size([2, 2, 4]), tensorplug.Size([2, 2, 4]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)


class GRU(RNNBase):
    """A gated recurrent unit, with gates r, z, n one below the other in the weights.

    ``r, z`` are sigmoids of ``w_ih x + b_ih + w_hh h + b_hh``, and
    ``n = tanh(w_ih x + b_ih + r (w_hh h + b_hh))``; then ``h = (1 - z) n + z h``.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device,
            dtype: see :class:`RNNBase`.

    Raises:
        ValueError: settings out of range.

    Example:
        >>> out, h_n = tp.nn.GRU(3, 4, bidirectional=True)(tp.zeros(7, 2, 3))
        >>> out.shape, h_n.shape
        (tensorplug.Size([7, 2, 8]), tensorplug.Size([2, 2, 4]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("GRU: expected no proj_size, which is for LSTM only, got one")
        super().__init__("GRU", *args, **kwargs)
