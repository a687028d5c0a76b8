"""The base class of learning rate schedules, and what they do to parameter groups."""

from __future__ import annotations

import warnings
from types import FunctionType
from typing import Any

from tensorplug.autograd.tensor import Tensor

from ._settings import number
from .optimizer import Optimizer

__all__ = [
    "LRScheduler", "check_optimizer", "per_group", "saved_callable", "set_value", "values_of",
]  # fmt: skip


def check_optimizer(name: str, optimizer: Any) -> None:
    """Raise TypeError unless ``optimizer`` is one."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{name}: expected an Optimizer, got {type(optimizer).__name__}")


def values_of(optimizer: Optimizer, key: str) -> list[Any]:
    """A setting of each group; tensors are copied."""
    values = [group[key] for group in optimizer.param_groups]
    return [value.clone() if isinstance(value, Tensor) else value for value in values]


def set_value(group: dict[str, Any], key: str, value: Any) -> None:
    """Change a setting of a group; a tensor keeps its place, where others may look at it."""
    if isinstance(group[key], Tensor):
        group[key].fill_(number(value))
    else:
        group[key] = value


def per_group(who: str, name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value for each group, from one for all or a list.

    Raises:
        ValueError: the list has another length.
    """
    count = len(optimizer.param_groups)
    values = list(value) if isinstance(value, (list, tuple)) else [value] * count
    if len(values) != count:
        raise ValueError(
            f"{who}: expected {name} for each of {count} parameter groups, got {len(values)}"
        )
    return [value.clone() if isinstance(value, Tensor) else value for value in values]


def saved_callable(function: Any) -> dict[str, Any] | None:
    """What a state dict keeps of a callable: nothing of a function, the attributes of an object."""
    if function is None or isinstance(function, FunctionType):
        return None
    return dict(function.__dict__)


class LRScheduler:
    """Changes the learning rates of an optimizer's groups, once per call of :meth:`step`.

    A subclass defines :meth:`get_lr`, from ``self.last_epoch``, ``self.base_lrs`` and the groups'
    present rates.

    Args:
        optimizer: its groups remember their first rate as "initial_lr".
        last_epoch: where to go on; -1 begins.
    """

    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(type(self).__name__, optimizer)
        self.optimizer = optimizer
        for position, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                lr = group["lr"]
                group.setdefault("initial_lr", lr.clone() if isinstance(lr, Tensor) else lr)
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: expected 'initial_lr' in param_groups[{position}] "
                    f"with last_epoch={last_epoch}, got none; load the optimizer's state first"
                )
        self.base_lrs = values_of(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the rates of the first epoch."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave, here or in PyTorch."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The rates that were set last, one per group."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The rates of epoch ``self.last_epoch``, one per group; :meth:`step` sets them."""
        raise NotImplementedError(f"{type(self).__name__}: expected a get_lr() method, got none")

    def step(self, epoch: int | None = None) -> None:
        """Go to the next epoch (or to ``epoch``, which is deprecated) and set the rates."""
        if self._step_count == 1 and not self.optimizer._steps:
            warnings.warn(
                f"{type(self).__name__}.step: expected a call after optimizer.step(), got one "
                "before; the first learning rate was never used",
                UserWarning,
                stacklevel=2,
            )
        if epoch is not None:
            warnings.warn(
                f"{type(self).__name__}.step: epoch={epoch} is deprecated; call step() without it",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        if epoch is None:
            self.last_epoch += 1
            values = self.get_lr()
        else:
            self.last_epoch = epoch
            closed = getattr(self, "_get_closed_form_lr", self.get_lr)
            values = closed()
        self._set(values)

    def _set(self, values: list[Any]) -> None:
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            set_value(group, "lr", value)
        self._last_lr = values_of(self.optimizer, "lr")

    # --- what many schedules are made of --------------------------------------------------------
    def _scaled(self, factor: float) -> list[Any]:
        """The present rates times a factor, so that several schedules can act on one optimizer."""
        present = values_of(self.optimizer, "lr")
        return present if factor == 1 else [lr * factor for lr in present]

    def _from_base(self, factor: float) -> list[Any]:
        """The first rates times a factor."""
        return [lr * factor for lr in self.base_lrs]
