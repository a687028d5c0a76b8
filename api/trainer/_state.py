"""What a checkpoint of a trainer holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import _random

if TYPE_CHECKING:
    from ._trainer import Trainer

__all__ = ["load_state", "state_of"]

_FORMAT = "tensorplug.Trainer 1"
"""Written into checkpoints; a number for later forms."""

_PROGRESS = ("epoch", "batch", "step", "metrics", "should_stop")


def state_of(trainer: Trainer) -> dict[str, Any]:
    """Everything that the rest of a run depends on, between two steps of the optimizer."""
    scheduler = trainer.scheduler
    return {
        "format": _FORMAT,
        "model": trainer.model.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "scheduler": None if scheduler is None else scheduler.state_dict(),
        "callbacks": [callback.state_dict() for callback in trainer.callbacks],
        "loggers": [logger.state_dict() for logger in trainer.loggers],
        "progress": {name: getattr(trainer, name) for name in _PROGRESS},
        "epoch_meter": trainer.epoch_meter.state_dict(),
        "epoch_start": trainer.epoch_start,
        "random": _random.capture(trainer.loaders),
    }


def load_state(trainer: Trainer, state: Any, path: str) -> None:
    """Put back what :func:`state_of` returned; the model is on its device already.

    Raises:
        ValueError: another file, or one of a trainer with other callbacks or loggers.
    """
    if not isinstance(state, Mapping) or state.get("format") != _FORMAT:
        raise ValueError(
            f"Trainer.fit: expected a checkpoint of a Trainer, got {path!r}; load other files "
            "with tp.load"
        )
    for name in ("callbacks", "loggers"):
        wanted, got = len(getattr(trainer, name)), len(state[name])
        if wanted != got:
            raise ValueError(
                f"Trainer.fit: expected a checkpoint with {wanted} {name}, got {got} in {path!r}; "
                "resume with the same ones"
            )
    trainer.model.load_state_dict(state["model"])
    trainer.optimizer.load_state_dict(state["optimizer"])
    if trainer.scheduler is not None:
        trainer.scheduler.load_state_dict(state["scheduler"])
    for part, saved in zip(trainer.callbacks, state["callbacks"], strict=True):
        part.load_state_dict(saved)
    for part, saved in zip(trainer.loggers, state["loggers"], strict=True):
        part.load_state_dict(saved)
    for name in _PROGRESS:
        setattr(trainer, name, state["progress"][name])
    trainer.epoch_meter.load_state_dict(state["epoch_meter"], trainer.device)
    trainer.epoch_start = state["epoch_start"]
    _random.restore(state["random"], trainer.loaders)
