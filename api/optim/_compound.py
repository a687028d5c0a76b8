"""Schedules made of schedules, and the one that watches a metric."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Literal

from ._schedule import LRScheduler, check_optimizer, per_group, set_value, values_of
from .optimizer import Optimizer

__all__ = ["ChainedScheduler", "ReduceLROnPlateau", "SequentialLR"]


class _Compound(LRScheduler):
    """Keeps the state dicts of its parts."""

    _schedulers: Sequence[LRScheduler]

    def _check(self, optimizer: Any) -> None:
        name = type(self).__name__
        if not self._schedulers:
            raise ValueError(f"{name}: expected at least one scheduler, got none")
        for position, part in enumerate(self._schedulers):
            what = type(part).__name__
            if not hasattr(part, "optimizer"):
                raise TypeError(f"{name}: expected schedulers, got {what} at index {position}")
            if isinstance(part, ReduceLROnPlateau):
                raise ValueError(
                    f"{name}: expected schedulers whose step() takes no metric, got {what} at "
                    f"index {position}"
                )
            if part.optimizer is not (optimizer or self._schedulers[0].optimizer):
                raise ValueError(
                    f"{name}: expected schedulers of one optimizer, got {what} of another at "
                    f"index {position}"
                )

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, with the state dicts of the schedulers."""
        parts = [part.state_dict() for part in self._schedulers]
        return {**super().state_dict(), "_schedulers": parts}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave, here or in PyTorch."""
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_schedulers"})
        for part, saved in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            part.load_state_dict(saved)


class SequentialLR(_Compound):
    """One schedule after the other; each begins at its milestone.

    Args:
        optimizer: the optimizer of all schedules.
        schedulers: the schedules in order.
        milestones: the epochs at which the second and the following begin.
        last_epoch: where to go on; -1 begins.

    Example:
        >>> optimizer = tp.optim.SGD([tp.ones(1, requires_grad=True)], lr=1.0)
        >>> schedules = tp.optim.lr_scheduler
        >>> scheduler = schedules.SequentialLR(
        ...     optimizer,
        ...     [schedules.ConstantLR(optimizer, 0.5), schedules.ExponentialLR(optimizer, 0.25)],
        ...     milestones=[2],
        ... )
        >>> rates = []
        >>> for _ in range(4):
        ...     rates += scheduler.get_last_lr()
        ...     optimizer.step()
        ...     scheduler.step()
        >>> rates
        [0.5, 0.5, 1.0, 0.25]
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int],
        last_epoch: int = -1,
    ) -> None:  # fmt: skip
        self._schedulers = schedulers
        self._check(optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: expected {len(schedulers) - 1} milestones for {len(schedulers)} "
                f"schedulers, got {len(milestones)}"
            )
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        # Each schedule set its first rate when it was made: undo that, begin with the right one.
        for group in optimizer.param_groups:
            set_value(group, "lr", group["initial_lr"])
        self.recursive_undo()
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def recursive_undo(self, sched: LRScheduler | None = None) -> None:
        """Take back the first step of all schedules below ``sched``."""
        sched = self if sched is None else sched
        if hasattr(sched, "_schedulers"):
            for part in sched._schedulers:
                self.recursive_undo(part)
        else:
            sched.last_epoch -= 1

    def step(self) -> None:  # type: ignore[override]  # as in torch, without an epoch
        """Go to the next epoch with the schedule whose turn it is."""
        self.last_epoch += 1
        position = bisect_right(self._milestones, self.last_epoch)
        current = self._schedulers[position]
        if position > 0 and self._milestones[position - 1] == self.last_epoch:
            current._update_lr(0)
        else:
            current.step()
        self._last_lr = current.get_last_lr()


class ChainedScheduler(_Compound):
    """Several schedules at once: their factors multiply.

    Args:
        schedulers: schedules of one optimizer.
        optimizer: that optimizer, which need not be given.
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        self._schedulers = schedulers
        self._check(optimizer)
        self.optimizer = optimizer or schedulers[0].optimizer
        self._last_lr = values_of(self.optimizer, "lr")

    def step(self) -> None:  # type: ignore[override]  # as in torch, without an epoch
        """Step all schedules."""
        for part in self._schedulers:
            part.step()
        self._last_lr = values_of(self.optimizer, "lr")


class ReduceLROnPlateau(LRScheduler):
    """Times ``factor`` when a metric has stopped to improve.

    Args:
        optimizer: the optimizer.
        mode: "min" for metrics that should fall, "max" for others.
        factor: below 1.
        patience: the number of epochs without improvement that are put up with.
        threshold: what counts as an improvement.
        threshold_mode: "rel" for a part of the best value, "abs" for a difference.
        cooldown: epochs after a reduction that are not counted.
        min_lr: the lowest rate; a list has one per group.
        eps: smaller changes are not made.

    Example:
        >>> optimizer = tp.optim.SGD([tp.ones(1, requires_grad=True)], lr=1.0)
        >>> scheduler = tp.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
        >>> for loss in (3.0, 2.0, 2.0, 2.0):
        ...     scheduler.step(loss)
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, mode: Literal["min", "max"] = "min", factor: float = 0.1,
        patience: int = 10, threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel", cooldown: int = 0,
        min_lr: list[float] | float = 0, eps: float = 1e-8,
    ) -> None:  # fmt: skip
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau: expected factor below 1, got {factor}")
        check_optimizer("ReduceLROnPlateau", optimizer)
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: expected mode 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"ReduceLROnPlateau: expected threshold_mode 'rel' or 'abs', got {threshold_mode!r}"
            )
        self.factor = factor
        self.optimizer = optimizer
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else min_lr
        self.min_lrs = per_group("ReduceLROnPlateau", "min_lr", optimizer, min_lr)
        self.patience = patience
        self.cooldown = cooldown
        self.eps = eps
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.last_epoch = 0
        self._last_lr = values_of(optimizer, "lr")
        self._reset()

    def _reset(self) -> None:
        """Forget all metrics."""
        self.best = math.inf if self.mode == "min" else -math.inf
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    # The one schedule that needs to know how training goes, so its step takes more, as in torch.
    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]
        """Look at this epoch's metric, and reduce the rates when it is time to."""
        current = float(metrics)
        if epoch is not None:
            warnings.warn(
                f"ReduceLROnPlateau.step: epoch={epoch} is deprecated; call step(metric) without",
                UserWarning,
                stacklevel=2,
            )
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self.num_bad_epochs += 1
        if self._is_better(current, self.best):
            self.best = current
            self.num_bad_epochs = 0
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce_lr()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = values_of(self.optimizer, "lr")

    def _reduce_lr(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):  # some were added
            if self.default_min_lr is None:
                raise RuntimeError(
                    f"ReduceLROnPlateau: expected min_lrs for {len(groups)} parameter groups, "
                    f"got {len(self.min_lrs)}; add to its min_lrs what the new groups need"
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, lowest in zip(groups, self.min_lrs, strict=True):
            before = float(group["lr"])
            after = max(before * self.factor, lowest)
            if before - after > self.eps:
                set_value(group, "lr", after)

    @property
    def in_cooldown(self) -> bool:
        """Whether the metrics do not count at the moment."""
        return self.cooldown_counter > 0

    def _is_better(self, value: float, best: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            return sign * value > sign * best * (1 + sign * self.threshold)
        return sign * value > sign * best + self.threshold
