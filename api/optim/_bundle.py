"""Small parameters side by side in one row, so that a step is few operations and not many.

For a parameter of a hundred elements an operation is nearly all overhead. A :class:`Bundle` keeps
the state of many such parameters as views of one tensor (a row) per kind of state, gathers their
gradients into another, and computes a step for all of them at once. The parameters themselves
stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

__all__ = ["Bundle", "Bundles"]

SMALL = 8192
"""Parameters of more elements are updated one by one: there, arithmetic is what costs."""

ROW = 65536
"""The most elements in a row, so that one stays in the processor's cache."""

State = dict[str, Any]
Change = Callable[[dict[str, Any], State, Tensor, Tensor], tuple[Tensor, Any]]


class Bundle:
    """Parameters of one type, device and step, and rows for their gradients and states."""

    def __init__(
        self, params: list[Tensor], states: list[State], names: tuple[str, ...],
        numbers: tuple[str, ...],
    ) -> None:  # fmt: skip
        self.params, self.states = params, states
        self._numbers = tuple(name for name in numbers if name in states[0])
        self.dtype, self.device = params[0].dtype, params[0].device
        self._grad, self._grads = self._row()
        self._param, self._values = self._row()
        self._delta, self._deltas = self._row()
        self.state: State = {}
        for name in names:
            self.state[name], views = self._row()
            for state, view in zip(states, views, strict=True):
                view.copy_(state[name])
                state[name] = view

    def _row(self) -> tuple[Tensor, list[Tensor]]:
        """A row, and for each parameter the view of it that has the parameter's shape."""
        count = sum(param.numel() for param in self.params)
        row = tp.empty(count, dtype=self.dtype, device=self.device)
        views, start = [], 0
        for param in self.params:
            end = start + param.numel()
            views.append(row[start:end].view(param.shape))
            start = end
        return row, views

    def holds(self, param: Tensor, state: State | None, position: int) -> bool:
        """Whether nobody has changed the parameter's type or replaced its state."""
        return (
            param is self.params[position]
            and state is self.states[position]
            and param.dtype is self.dtype
            and param.device is self.device
        )

    def step(self, group: dict[str, Any], change: Change, read: bool) -> None:
        """Add ``change(group, state, param, grad)``, of the rows, to the parameters.

        ``read`` says whether the change looks at the parameters' values.
        """
        # The rows are nobody else's: written without counting the write, as copy_ would.
        assign = self.device.F.assign
        for view, param in zip(self._grads, self.params, strict=True):
            assign(view._h, param._grad._h)  # type: ignore[union-attr]  # the caller has looked
        if read:
            for view, param in zip(self._values, self.params, strict=True):
                assign(view._h, param._h)
        for name in self._numbers:
            self.state[name] = self.states[0][name]
        direction, rate = change(group, self.state, self._param, self._grad)
        assign(self._delta._h, (direction * rate)._h)
        for view, param in zip(self._deltas, self.params, strict=True):
            param.add_(view)
        for name in self._numbers:
            value = self.state[name]
            for state in self.states:
                state[name] = value


class Bundles:
    """The bundles of one parameter group, made when its parameters are the same twice running."""

    def __init__(self) -> None:
        self._last: list[Tensor] = []
        self._order: list[tuple[Bundle | None, int]] = []
        self.current: list[Bundle] = []

    def split(
        self, params: list[Tensor], states: Any, names: tuple[str, ...], numbers: tuple[str, ...]
    ) -> tuple[list[Bundle], list[Tensor]]:
        """The bundles that cover ``params``, and the parameters that are left."""
        if self._is_current(params, states):
            pairs = zip(params, self._order, strict=True)
            return self.current, [param for param, (bundle, _) in pairs if bundle is None]
        if not _same(params, self._last):
            # Parameters that come and go would cost a new bundle at every step.
            self._last = params
            self._order = []
            return [], params
        return self._make(params, states, names, numbers)

    def _is_current(self, params: list[Tensor], states: Any) -> bool:
        if len(params) != len(self._order) or not _same(params, self._last):
            return False
        return all(
            bundle is None or bundle.holds(param, states.get(param), position)
            for param, (bundle, position) in zip(params, self._order, strict=True)
        )

    def _make(
        self, params: list[Tensor], states: Any, names: tuple[str, ...], numbers: tuple[str, ...]
    ) -> tuple[list[Bundle], list[Tensor]]:
        kinds: dict[Any, list[list[Tensor]]] = {}
        for param in params:
            state = states.get(param)
            if _fits(param, state, names):
                same = tuple(state.get(name) for name in numbers)
                rows = kinds.setdefault((param.dtype, param.device, same), [[]])
                if rows[-1] and sum(p.numel() for p in rows[-1]) + param.numel() > ROW:
                    rows.append([])
                rows[-1].append(param)
        self.current = [
            Bundle(row, [states[param] for param in row], names, numbers)
            for rows in kinds.values()
            for row in rows
            if len(row) > 1
        ]
        places = {
            id(param): (bundle, position)
            for bundle in self.current
            for position, param in enumerate(bundle.params)
        }
        self._last = params
        self._order = [places.get(id(param), (None, 0)) for param in params]
        return self.current, [param for param in params if id(param) not in places]


def _same(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _fits(param: Tensor, state: State | None, names: tuple[str, ...]) -> bool:
    return (
        state is not None
        and param.numel() <= SMALL
        and param.is_floating_point()
        and all(isinstance(state.get(name), Tensor) for name in names)
        # Where arrays cannot be changed, writing to a view makes a new row every time.
        and param.device.backend.mutable
    )
