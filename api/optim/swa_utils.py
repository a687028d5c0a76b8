"""Averages of models over training: stochastic weight averaging and exponential averages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any, Literal

import tensorplug as tp
from tensorplug.autograd.modes import no_grad
from tensorplug.autograd.tensor import Tensor
from tensorplug.nn.batchnorm import _BatchNorm
from tensorplug.nn.module import Module

from ._schedule import LRScheduler, per_group
from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]  # fmt: skip

Average = Callable[[Tensor, Tensor, Any], Tensor]
Averages = Callable[[list[Tensor], list[Tensor], Any], None]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """``decay * average + (1 - decay) * value``, for :class:`AveragedModel`.

    Raises:
        ValueError: ``decay`` is not from 0 to 1.
    """
    if not 0 <= decay <= 1:
        raise ValueError(f"get_ema_avg_fn: expected decay from 0 to 1, got {decay}")

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Average:
    """The mean of all values so far, for :class:`AveragedModel`."""

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def _for_each(average: Average) -> Averages:
    @no_grad()
    def update(averages: list[Tensor], values: list[Tensor], num_averaged: Any) -> None:
        for mean, value in zip(averages, values, strict=True):
            mean.copy_(average(mean, value, num_averaged))

    return update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    """:func:`get_ema_avg_fn` for lists of parameters, in place."""
    return _for_each(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Averages:
    """:func:`get_swa_avg_fn` for lists of parameters, in place."""
    return _for_each(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's.

    Args:
        model: the model; the copy begins with its parameters.
        device: where to keep the averages; by default where the model is.
        avg_fn: the new average from ``(average, value, count)``; by default the mean.
        multi_avg_fn: the same for lists of parameters, in place.
        use_buffers: average the buffers too; else they are copied.

    Example:
        >>> model = tp.nn.Linear(1, 1, bias=False)
        >>> averaged = tp.optim.swa_utils.AveragedModel(model)
        >>> for value in (1.0, 2.0, 6.0):
        ...     _ = tp.nn.init.constant_(model.weight, value)
        ...     averaged.update_parameters(model)
        >>> averaged.module.weight.item()
        3.0
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("AveragedModel: expected one of avg_fn and multi_avg_fn, got both")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tp.tensor(0, dtype=tp.int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model makes of the arguments."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the parameters of ``model`` into the averages."""
        averages: list[Tensor] = list(self.module.parameters())
        values: list[Tensor] = list(model.parameters())
        copies = list(zip(self.module.buffers(), model.buffers(), strict=True))
        if self.use_buffers:
            averages += [mean for mean, _ in copies]
            values += [value for _, value in copies]
            copies = []
        values = [v.detach().to(m.device) for m, v in zip(averages, values, strict=True)]
        averages = [mean.detach() for mean in averages]
        if not self.n_averaged.item():
            copies += list(zip(averages, values, strict=True))
        else:
            update = self.multi_avg_fn or _for_each(self.avg_fn or get_swa_avg_fn())
            for device in dict.fromkeys(mean.device for mean in averages):
                here = [at for at, mean in enumerate(averages) if mean.device == device]
                count = self.n_averaged.to(device)
                update([averages[at] for at in here], [values[at] for at in here], count)
        for mean, value in copies:
            mean.copy_(value.to(mean.device))
        self.n_averaged += 1


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the statistics of a model's batch normalisations anew, from a pass over data.

    Args:
        loader: batches, or tuples or lists that begin with one.
        model: the model, usually an :class:`AveragedModel`.
        device: where to bring the batches first.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    if not layers:
        return
    momenta, was_training = [layer.momentum for layer in layers], model.training
    model.train()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over all batches
    for batch in loader:
        inputs = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(inputs if device is None else inputs.to(device))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """From the present rates to a constant one, for averaging along the way.

    Args:
        optimizer: the optimizer.
        swa_lr: the rate to go to; a list has one per group.
        anneal_epochs: the number of epochs until it is reached.
        anneal_strategy: "cos" or "linear".
        last_epoch: where to go on; -1 begins.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float,
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"SWALR: expected anneal_strategy 'cos' or 'linear', got {anneal_strategy!r}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(
                f"SWALR: expected anneal_epochs to be an integer of at least 0, got {anneal_epochs}"
            )
        rates = per_group("SWALR", "swa_lr", optimizer, swa_lr)
        for rate, group in zip(rates, optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates of the present step."""
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._weight(step - 1), self._weight(step)
        rates = []
        for group in self.optimizer.param_groups:
            lr, end = group["lr"], group["swa_lr"]
            first = end if before == 1 else (lr - before * end) / (1 - before)
            rates.append(end * now + first * (1 - now))
        return rates

    def _weight(self, step: int) -> float:
        """How much of the last rate is in the rate of a step."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2
