"""What a :class:`Trainer` trains: a module with steps of its own, or plain functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tensorplug.autograd.tensor import Tensor
from tensorplug.nn.module import Module

__all__ = ["Optimization", "Steps", "count", "loss_of", "moved", "optimization", "steps_of"]


class Steps:
    """A module and plain functions in place of a module's own steps.

    Args:
        module: what is trained.
        training_step: called as ``training_step(module, batch)``; returns the loss, or a dict
            with "loss" and further numbers to log.
        optimizer: an optimizer, a function of the module that makes one, or whatever
            ``configure_optimizers`` may return.
        validation_step: the same for validation; returns a number or a dict of numbers.
        predict_step: the same for prediction; ``module(batch)`` when None.

    Example:
        >>> model = nn.Linear(1, 1)
        >>> steps = tp.trainer.Steps(
        ...     model,
        ...     lambda model, batch: F.mse_loss(model(batch[0]), batch[1]),
        ...     tp.optim.SGD(model.parameters(), lr=0.1),
        ... )
        >>> data = tp.utils.data.TensorDataset(tp.ones(8, 1), tp.ones(8, 1))
        >>> trainer = tp.Trainer(max_epochs=20)
        >>> trainer.fit(steps, tp.utils.data.DataLoader(data, batch_size=4))
        >>> trainer.metrics["train_loss"] < 1e-3
        True
    """

    def __init__(
        self,
        module: Module,
        training_step: Callable[..., Any] | None = None,
        optimizer: Any = None,
        validation_step: Callable[..., Any] | None = None,
        predict_step: Callable[..., Any] | None = None,
    ) -> None:
        self.module = module
        self._optimizer = optimizer
        self._steps = {
            "training_step": training_step,
            "validation_step": validation_step,
            "predict_step": predict_step,
        }

    def has(self, name: str) -> bool:
        """Whether there is such a step."""
        return self._steps[name] is not None

    def call(self, name: str, batch: Any, index: int) -> Any:
        """Run a step.

        Raises:
            TypeError: there is none of that name.
        """
        step = self._steps[name]
        if step is not None:
            return step(self.module, batch)
        if name == "predict_step":
            return self.module(batch)
        raise TypeError(_missing(type(self.module).__name__, name))

    def configure_optimizers(self) -> Any:
        """The optimizer, made now where a function of the module was given."""
        made = self._optimizer
        return made(self.module) if callable(made) and not hasattr(made, "step") else made


class _OwnSteps(Steps):
    """A module that has the steps as methods."""

    def has(self, name: str) -> bool:
        return hasattr(self.module, name)

    def call(self, name: str, batch: Any, index: int) -> Any:
        if self.has(name):
            return getattr(self.module, name)(batch, index)
        return super().call(name, batch, index)

    def configure_optimizers(self) -> Any:
        if not hasattr(self.module, "configure_optimizers"):
            raise TypeError(_missing(type(self.module).__name__, "configure_optimizers"))
        return self.module.configure_optimizers()


def _missing(model: str, name: str) -> str:
    return (
        f"Trainer: expected {model} to have a method {name}, got none; define it, or pass a "
        f"function in tp.trainer.Steps"
    )


def steps_of(model: Any) -> Steps:
    """The steps of what a user gave to the trainer.

    Raises:
        TypeError: neither a Module nor Steps around one.
    """
    if isinstance(model, Module):
        return _OwnSteps(model)
    if isinstance(model, Steps) and isinstance(model.module, Module):
        return model
    got = type(model.module if isinstance(model, Steps) else model).__name__
    raise TypeError(f"Trainer: expected a Module or tp.trainer.Steps around one, got {got}")


class Optimization(NamedTuple):
    """An optimizer and the scheduler of its learning rate."""

    optimizer: Any
    scheduler: Any = None
    interval: str = "epoch"
    """When the scheduler steps: "epoch" or "step"."""
    monitor: str | None = None
    """The metric that the scheduler is told, for ReduceLROnPlateau."""


def optimization(given: Any) -> Optimization:
    """Read what ``configure_optimizers`` returned.

    Raises:
        TypeError: none of the forms that :meth:`Trainer.fit` names.
    """
    optimizer, scheduler = given, None
    if isinstance(given, Mapping):
        optimizer, scheduler = given.get("optimizer"), given.get("lr_scheduler")
    elif isinstance(given, (tuple, list)) and len(given) == 2:
        optimizer, scheduler = (_single(part) for part in given)
    if not hasattr(optimizer, "param_groups"):
        raise TypeError(
            "Trainer: expected configure_optimizers to give an optimizer, (optimizer, scheduler) "
            f"or {{'optimizer': ..., 'lr_scheduler': ...}}, got {type(optimizer).__name__}"
        )
    settings = {"scheduler": scheduler}
    if isinstance(scheduler, Mapping):
        settings = {key: scheduler.get(key) for key in ("scheduler", "interval", "monitor")}
    interval = settings.get("interval") or "epoch"
    if interval not in ("epoch", "step"):
        raise TypeError(
            f"Trainer: expected the scheduler's interval to be 'epoch' or 'step', got {interval!r}"
        )
    return Optimization(optimizer, settings["scheduler"], interval, settings.get("monitor"))


def _single(part: Any) -> Any:
    return part[0] if isinstance(part, (list, tuple)) and len(part) == 1 else part


def moved(batch: Any, device: Any) -> Any:
    """The same with all tensors on ``device``; lists, tuples and dicts are gone through."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {key: moved(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(moved(value, device) for value in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(moved(value, device) for value in batch)
    return batch


def count(batch: Any) -> int:
    """How many samples are in a batch: the length of its first tensor, or 1."""
    if isinstance(batch, Tensor):
        return batch.shape[0] if batch.ndim else 1
    parts = batch.values() if isinstance(batch, Mapping) else batch
    if isinstance(parts, (str, bytes)) or not hasattr(parts, "__iter__"):
        return 1
    return next((count(part) for part in parts), 1)


def loss_of(found: Any) -> tuple[Tensor, dict[str, Any]]:
    """The loss, and all numbers to log, from what a training step returned.

    Raises:
        TypeError: neither a tensor nor a dict with "loss".
    """
    metrics = dict(found) if isinstance(found, Mapping) else {"loss": found}
    loss = metrics.get("loss")
    if not isinstance(loss, Tensor):
        got = f"a dict with {sorted(metrics)}" if isinstance(found, Mapping) else repr(found)
        raise TypeError(
            f"Trainer: expected training_step to return a loss or a dict with 'loss', got {got}"
        )
    return loss, metrics
