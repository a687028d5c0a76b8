"""L-BFGS: a quasi-Newton method that calls the closure several times per step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from ._bundle import State
from ._line_search import Point, strong_wolfe
from ._settings import given, number
from .optimizer import Optimizer

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """Newton's direction from the last steps and changes of the gradient (Liu, Nocedal, 1989).

    There is one group of parameters only, all on one device. A step reads losses and gradients
    on the host, to decide when to stop.

    Args:
        params: parameters or named parameters, see :class:`Optimizer`.
        lr: the length of steps, or of the first one that a line search tries.
        max_iter: the most iterations in one :meth:`step`.
        max_eval: the most calls of the closure in one :meth:`step` (5 / 4 of ``max_iter``).
        tolerance_grad: stop when no element of the gradient is larger.
        tolerance_change: stop when no parameter and not the loss changed by more.
        history_size: how many steps are remembered.
        line_search_fn: None or "strong_wolfe".

    Example:
        >>> x = tp.tensor([3.0, -2.0], requires_grad=True)
        >>> optimizer = tp.optim.LBFGS([x], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = ((x - 1) ** 2).sum()
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure).item()
        13.0
        >>> x.allclose(tp.ones(2))
        True
    """

    _numbers: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        super().__init__(params, given(locals()))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Refused after the first group: the method looks at all parameters together."""
        if self.param_groups:
            raise ValueError("LBFGS: expected one group of parameters, got another")
        super().add_param_group(param_group)

    def _check_settings(self, group: dict[str, Any]) -> None:
        super()._check_settings(group)
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(
                "LBFGS: expected line_search_fn None or 'strong_wolfe', "
                f"got {group['line_search_fn']!r}"
            )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Improve the parameters by up to ``max_iter`` iterations.

        Args:
            closure: clears the gradients, computes the loss and its gradients, returns it.

        Returns:
            The loss before the step.
        """
        if closure is None:
            raise TypeError("LBFGS.step: expected a closure that computes the loss, got None")
        group = self.param_groups[0]
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        evaluate = tp.enable_grad()(closure)
        first = evaluate()
        state["func_evals"] += 1
        with tp.no_grad():
            self._iterate(group, state, evaluate, float(first))
        return first

    def _iterate(
        self, group: dict[str, Any], state: State, evaluate: Callable[[], Any], loss: float
    ) -> None:
        calls, most, change = 1, group["max_eval"], group["tolerance_change"]
        grad = self._flat_grad()
        for iteration in range(1, group["max_iter"] + 1):
            if _largest(grad) <= group["tolerance_grad"]:
                return
            direction = self._direction(group, state, grad)
            t = number(group["lr"])
            if state["n_iter"] == 1:
                t *= min(1.0, 1.0 / grad.abs().sum().item())
            state.update(d=direction, t=t, prev_flat_grad=grad.clone(), prev_loss=loss)
            slope = grad.dot(direction).item()
            if slope > -change:
                return
            last = iteration == group["max_iter"]
            point, more = self._move(group, evaluate, Point(0.0, loss, grad, slope), most - calls,
                                     last)  # fmt: skip
            before, loss, grad = loss, point.loss, point.grad
            state["t"] = point.t
            calls += more
            state["func_evals"] += more
            if last or calls >= most:
                return
            if _largest(direction) * abs(point.t) <= change or abs(loss - before) < change:
                return

    def _direction(self, group: dict[str, Any], state: State, grad: Tensor) -> Tensor:
        """Minus the gradient, times the approximate inverse of the matrix of second derivatives."""
        state["n_iter"] += 1
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return grad.neg()
        changes, steps, inverse = state["old_dirs"], state["old_stps"], state["ro"]
        change, step = grad - state["prev_flat_grad"], state["d"] * number(state["t"])
        curvature = change.dot(step).item()
        if curvature > 1e-10:
            if len(changes) == group["history_size"]:
                for oldest in (changes, steps, inverse):
                    oldest.pop(0)
            changes.append(change)
            steps.append(step)
            inverse.append(1.0 / curvature)
            state["H_diag"] = curvature / change.dot(change).item()
        # The two loops of the paper.
        found, factors = grad.neg(), []
        for change, step, ro in zip(changes[::-1], steps[::-1], inverse[::-1], strict=True):
            factors.append(step.dot(found).item() * number(ro))
            found.sub_(change * factors[-1])
        found.mul_(number(state["H_diag"]))
        for change, step, ro in zip(changes, steps, inverse, strict=True):
            found.add_(step * (factors.pop() - change.dot(found).item() * number(ro)))
        return found

    def _move(
        self, group: dict[str, Any], evaluate: Callable[[], Any], start: Point, calls: int,
        last: bool,
    ) -> tuple[Point, int]:  # fmt: skip
        """Change the parameters; where they went, and how often the closure was called."""
        params = group["params"]
        state = self.state[params[0]]
        direction, t = state["d"], state["t"]
        if group["line_search_fn"] is None:
            self._add(direction, t)
            if last:  # nobody needs to know the loss
                return Point(t, start.loss, start.grad, 0.0), 0
            with tp.enable_grad():
                loss = float(evaluate())
            return Point(t, loss, self._flat_grad(), 0.0), 1
        origin = [param.clone() for param in params]

        def at(t: float) -> Point:
            self._add(direction, t)
            loss, grad = float(evaluate()), self._flat_grad()
            for param, value in zip(params, origin, strict=True):
                param.copy_(value)
            return Point(t, loss, grad, grad.dot(direction).item())

        point, calls = strong_wolfe(
            at, start, t, _largest(direction), group["tolerance_change"], calls
        )
        self._add(direction, point.t)
        return point, calls

    def _flat_grad(self) -> Tensor:
        """All gradients in one row; zeros where there is none."""
        rows = []
        for param in self.param_groups[0]["params"]:
            row = tp.zeros_like(param) if param.grad is None else param.grad
            rows.append(tp.view_as_real(row).reshape(-1) if row.is_complex() else row.reshape(-1))
        return tp.cat(rows)

    def _add(self, row: Tensor, factor: float) -> None:
        """``params += factor * row``."""
        start = 0
        for param in self.param_groups[0]["params"]:
            real = tp.view_as_real(param) if param.is_complex() else param
            end = start + real.numel()
            real.add_(row[start:end].view_as(real), alpha=factor)
            start = end


def _largest(x: Tensor) -> float:
    return float(x.abs().max().item())
