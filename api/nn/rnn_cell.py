"""Single steps of recurrent layers."""

from __future__ import annotations

import math
from typing import Any

import tensorplug as tp
from tensorplug.autograd.registry import ROWS
from tensorplug.autograd.tensor import Tensor

from . import init
from ._errors import as_weights, wrong_input
from .module import Module
from .parameter import Parameter

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]

_recurrent = ROWS["recurrent"].call


class RNNCellBase(Module):
    """What the cells share: four parameters, evenly distributed within ``1 / sqrt(hidden_size)``.

    Args:
        input_size: features of the input.
        hidden_size: features of the state.
        bias: whether there are biases.
        num_chunks: how many gates lie one below the other in the weights.
        device, dtype: of the parameters.
    """

    bias_ih: Tensor | None
    bias_hh: Tensor | None

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        for name, shape in (
            ("weight_ih", (rows, input_size)),
            ("weight_hh", (rows, hidden_size)),
            ("bias_ih", (rows,)),
            ("bias_hh", (rows,)),
        ):
            there = bias or name.startswith("weight")
            weight = Parameter(tp.empty(shape, device=device, dtype=dtype)) if there else None
            self.register_parameter(name, weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _step(self, input: Any, states: tuple[Any, ...] | None, cell: str) -> list[Tensor]:
        """The new states of a batch, or of one element when ``input`` has one dimension."""
        layer = f"{self._get_name()}({self.input_size}, {self.hidden_size})"
        shape = getattr(input, "shape", (0, 0, 0))
        if len(shape) not in (1, 2) or shape[-1] != self.input_size:
            wanted = f"(batch, {self.input_size}) or ({self.input_size},)"
            raise wrong_input(layer, wanted, input)
        input = as_weights(layer, input, self.weight_ih)
        state = (*shape[:-1], self.hidden_size)
        if states is None:
            zeros = tp.zeros(state, dtype=input.dtype, device=input.device)
            states = (zeros, zeros if cell == "lstm" else None)
        states = tuple(None if x is None else as_weights(layer, x, input) for x in states)
        for given in states:
            if given is not None and tuple(given.shape) != state:
                raise RuntimeError(
                    f"{layer}: expected a state of shape {state}, got {tuple(given.shape)}"
                )
        single = len(shape) == 1
        if single:
            input = input.unsqueeze(0)
            states = tuple(None if x is None else x.unsqueeze(0) for x in states)
        _, *found, _ = _recurrent(
            input, *states, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, None,
            cell, (input.shape[0],), False,
        )  # fmt: skip
        return [x.squeeze(0) if single and x is not None else x for x in found]

    def extra_repr(self) -> str:
        """The sizes, and the settings that are not the default."""
        text = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            text += f", bias={self.bias}"
        if self.__dict__.get("nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text


class RNNCell(RNNCellBase):
    """One step of :class:`RNN`: ``tanh(w_ih x + b_ih + w_hh h + b_hh)``.

    Args:
        input_size, hidden_size, bias, device, dtype: see :class:`RNNCellBase`.
        nonlinearity: "tanh" or "relu".

    Example:
        >>> tp.nn.RNNCell(3, 4)(tp.zeros(2, 3)).shape
        tensorplug.Size([2, 4])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh",
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The new state ``(B, hidden_size)`` from the input and the state, zeros when None.

        Raises:
            RuntimeError: the shapes or the nonlinearity are wrong.
        """
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(
                f"RNNCell: expected nonlinearity 'tanh' or 'relu', got {self.nonlinearity!r}"
            )
        return self._step(input, None if hx is None else (hx, None), self.nonlinearity)[0]


class LSTMCell(RNNCellBase):
    """One step of :class:`LSTM`.

    Args:
        input_size, hidden_size, bias, device, dtype: see :class:`RNNCellBase`.

    Example:
        >>> h, c = tp.nn.LSTMCell(3, 4)(tp.zeros(2, 3))
        >>> h.shape, c.shape
        (tensorplug.Size([2, 4]), tensorplug.Size([2, 4]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The new ``(h, c)``, each ``(B, hidden_size)``, from the input and the old ones.

        Raises:
            RuntimeError: the shapes are wrong.
        """
        h, c = self._step(input, None if hx is None else tuple(hx), "lstm")
        return h, c


class GRUCell(RNNCellBase):
    """One step of :class:`GRU`.

    Args:
        input_size, hidden_size, bias, device, dtype: see :class:`RNNCellBase`.

    Example:
        >>> tp.nn.GRUCell(3, 4)(tp.zeros(2, 3)).shape
        tensorplug.Size([2, 4])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The new state ``(B, hidden_size)`` from the input and the state, zeros when None.

        Raises:
            RuntimeError: the shapes are wrong.
        """
        return self._step(input, None if hx is None else (hx, None), "gru")[0]
