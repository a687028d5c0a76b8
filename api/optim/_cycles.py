"""Schedules along cosines and triangles."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from ._schedule import LRScheduler, check_optimizer, per_group, saved_callable, set_value
from .optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]


class CosineAnnealingLR(LRScheduler):
    """Down half a cosine to ``eta_min``, and up again (Loshchilov and Hutter, 2017).

    Args:
        optimizer: the optimizer.
        T_max: the number of epochs until the lowest rate.
        eta_min: the lowest rate.
        last_epoch: where to go on; -1 begins.

    Example:
        >>> optimizer = tp.optim.SGD([tp.ones(1, requires_grad=True)], lr=1.0)
        >>> scheduler = tp.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates of epoch ``self.last_epoch``."""
        present, period, low = self._scaled(1), self.T_max, self.eta_min
        if self._is_initial:
            return present
        if (self.last_epoch - 1 - period) % (2 * period) == 0:  # from the lowest rate up again
            rise = (1 - math.cos(math.pi / period)) / 2
            pairs = zip(present, self.base_lrs, strict=True)
            return [lr + (base - low) * rise for lr, base in pairs]
        now = 1 + math.cos(math.pi * self.last_epoch / period)
        before = 1 + math.cos(math.pi * (self.last_epoch - 1) / period)
        return [now / before * (lr - low) + low for lr in present]

    def _get_closed_form_lr(self) -> list[Any]:
        height = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Down half a cosine, then from the top again (Loshchilov and Hutter, 2017).

    Args:
        optimizer: the optimizer.
        T_0: the number of epochs until the first restart.
        T_mult: each period is so many times the one before.
        eta_min: the lowest rate.
        last_epoch: where to go on; -1 begins.
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"CosineAnnealingWarmRestarts: expected {name} to be an integer of at least 1, "
                    f"got {value}"
                )
        if not isinstance(eta_min, (float, int)):
            raise ValueError(
                f"CosineAnnealingWarmRestarts: expected eta_min to be a number, got {eta_min!r}"
            )
        self.T_0 = self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates of epoch ``self.last_epoch``."""
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on by one epoch, or to ``epoch``, which may be a fraction (epoch + batch / batches).

        Raises:
            ValueError: ``epoch`` is negative.
        """
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise ValueError(
                f"CosineAnnealingWarmRestarts.step: expected epoch of at least 0, got {epoch}"
            )
        else:
            self._go_to(epoch)
        self.last_epoch = math.floor(epoch)
        self._set(self.get_lr())

    def _go_to(self, epoch: float) -> None:
        first, times = self.T_0, self.T_mult
        if times == 1:
            # As in torch, an epoch within the first period leaves no trace of later ones.
            self.T_cur = epoch % first if epoch >= first else epoch
            return
        restarts = int(math.log(epoch / first * (times - 1) + 1, times)) if epoch >= first else 0
        self.T_cur = epoch - first * (times**restarts - 1) / (times - 1)
        self.T_i = first * times**restarts


class _WithMomentum(LRScheduler):
    """Moves the momentum (or the first beta) against the rates."""

    cycle_momentum: bool
    use_beta1: bool

    def _begin_momentum(
        self, optimizer: Optimizer, base: Any, highest: Any, last_epoch: int
    ) -> tuple[list[Any], list[Any]]:
        name = type(self).__name__
        if not {"momentum", "betas"} & set(optimizer.defaults):
            raise ValueError(
                f"{name}: expected an optimizer with momentum or betas with cycle_momentum=True, "
                f"got {type(optimizer).__name__}; pass cycle_momentum=False"
            )
        self.use_beta1 = "betas" in optimizer.defaults
        lows = per_group(name, "base_momentum", optimizer, base)
        highs = per_group(name, "max_momentum", optimizer, highest)
        if last_epoch == -1:
            for low, high, group in zip(lows, highs, optimizer.param_groups, strict=True):
                self._set_momentum(group, high)
                group["max_momentum"], group["base_momentum"] = high, low
        return lows, highs

    def _set_momentum(self, group: dict[str, Any], value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class CyclicLR(_WithMomentum):
    """Up and down between two rates (Smith, 2017); to be stepped after every batch.

    Args:
        optimizer: the optimizer.
        base_lr, max_lr: the two rates; lists have one per group.
        step_size_up, step_size_down: batches on the way up, and down (as many by default).
        mode: "triangular", "triangular2" (half as high each cycle) or "exp_range" (times
            ``gamma`` each batch).
        gamma: of "exp_range".
        scale_fn: another height, a function of the cycle or of the batch; ``mode`` is ignored.
        scale_mode: what ``scale_fn`` is given: "cycle" or "iterations".
        cycle_momentum: let the momentum fall while the rate rises.
        base_momentum, max_momentum: its limits.
        last_epoch: where to go on, in batches; -1 begins.
    """

    def __init__(
        self, optimizer: Optimizer, base_lr: float | list[float], max_lr: float | list[float],
        step_size_up: int = 2000, step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0, scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle", cycle_momentum: bool = True,
        base_momentum: float = 0.8, max_momentum: float = 0.9, last_epoch: int = -1,
    ) -> None:  # fmt: skip
        check_optimizer("CyclicLR", optimizer)
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(
                "CyclicLR: expected mode 'triangular', 'triangular2' or 'exp_range', or a "
                f"scale_fn, got {mode!r}"
            )
        base_lrs = per_group("CyclicLR", "base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for lr, group in zip(base_lrs, optimizer.param_groups, strict=True):
                set_value(group, "lr", lr)
        self.max_lrs = per_group("CyclicLR", "max_lr", optimizer, max_lr)
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self.mode, self.gamma = mode, gamma
        self._scale_fn_custom = scale_fn
        by_batch = mode == "exp_range" if scale_fn is None else scale_mode == "iterations"
        self.scale_mode = "iterations" if by_batch else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums, self.max_momentums = self._begin_momentum(
                optimizer, base_momentum, max_momentum, last_epoch
            )
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """How high a cycle (or, by ``scale_mode``, a batch) goes, 1 for all the way."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular2":
            return float(2.0 ** (1 - x))
        return float(self.gamma**x) if self.mode == "exp_range" else 1.0

    def get_lr(self) -> list[Any]:
        """The rates of batch ``self.last_epoch``; sets the momenta too."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            limits = zip(self.base_momentums, self.max_momentums, strict=True)
            for group, (low, high) in zip(self.optimizer.param_groups, limits, strict=True):
                self._set_momentum(group, high - (high - low) * height)
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [base + (highest - base) * height for base, highest in pairs]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions; of other callables, their attributes."""
        return {**super().state_dict(), "_scale_fn_custom": saved_callable(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave, with the ``scale_fn`` given here."""
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_scale_fn_custom"})
        saved = state_dict.get("_scale_fn_custom")
        if saved is not None and self._scale_fn_custom is not None:
            self._scale_fn_custom.__dict__.update(saved)


class OneCycleLR(_WithMomentum):
    """Up to a high rate and far down, once (Smith and Topin, 2018); to be stepped every batch.

    Args:
        optimizer: the optimizer.
        max_lr: the highest rate; a list has one per group.
        total_steps: the number of batches, or from ``epochs`` times ``steps_per_epoch``.
        pct_start: the part of the batches on the way up.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: let the momentum fall while the rate rises.
        base_momentum, max_momentum: its limits.
        div_factor: the first rate is the highest over this.
        final_div_factor: the last rate is the first over this.
        three_phase: down to the first rate as fast as up, and then to the last.
        last_epoch: where to go on, in batches; -1 begins.
    """

    def __init__(
        self, optimizer: Optimizer, max_lr: float | list[float], total_steps: int | None = None,
        epochs: int | None = None, steps_per_epoch: int | None = None, pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos", cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85, max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0, final_div_factor: float = 1e4, three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        check_optimizer("OneCycleLR", optimizer)
        self.total_steps = _total(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: expected pct_start from 0.0 to 1.0, got {pct_start!r}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"OneCycleLR: expected anneal_strategy 'cos' or 'linear', got {anneal_strategy!r}"
            )
        self._anneal_func_type = anneal_strategy
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        highest = per_group("OneCycleLR", "max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for lr, group in zip(highest, optimizer.param_groups, strict=True):
                first = lr / div_factor
                group.update(initial_lr=first, max_lr=lr, min_lr=first / final_div_factor)
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._begin_momentum(optimizer, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates of batch ``self.last_epoch``; sets the momenta too.

        Raises:
            ValueError: there were more steps than ``total_steps``.
        """
        step, start = self.last_epoch, 0.0
        if step > self.total_steps:
            raise ValueError(
                f"OneCycleLR.step: expected at most {self.total_steps} steps, got step {step}"
            )
        for phase in self._schedule_phases:
            if step <= phase["end_step"]:
                break
            if phase is not self._schedule_phases[-1]:
                start = phase["end_step"]
        part = (step - start) / (phase["end_step"] - start)
        groups = self.optimizer.param_groups
        if self.cycle_momentum:
            for group in groups:
                self._set_momentum(group, self._between(group, phase, "momentum", part))
        return [self._between(group, phase, "lr", part) for group in groups]

    def _between(self, group: dict[str, Any], phase: Any, what: str, part: float) -> Any:
        start, end = group[phase[f"start_{what}"]], group[phase[f"end_{what}"]]
        if self._anneal_func_type == "linear":
            return (end - start) * part + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)


def _total(steps: int | None, epochs: int | None, per_epoch: int | None) -> int:
    given = (steps,) if steps is not None else (epochs, per_epoch)
    if not all(isinstance(value, int) and value > 0 for value in given):
        raise ValueError(
            "OneCycleLR: expected positive integers total_steps, or epochs and steps_per_epoch, "
            f"got {steps}, {epochs} and {per_epoch}"
        )
    return math.prod(given)  # type: ignore[arg-type]  # integers, by the test above


def _phases(total: int, start: float, three: bool) -> list[dict[str, Any]]:
    """When each phase ends, and between which settings of a group it goes."""
    up = (start * total - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum")
    if three:
        rows = [
            up,
            (2 * start * total - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
            (total - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
        ]
    else:
        rows = [up, (total - 1, "max_lr", "min_lr", "base_momentum", "max_momentum")]
    names = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
    return [dict(zip(names, row, strict=True)) for row in rows]
