"""Means of metrics over steps and epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tensorplug.autograd.tensor import Tensor

__all__ = ["Meter"]


class Meter:
    """Weighted means by name. Sums stay on the device: reading a number would wait for it."""

    def __init__(self) -> None:
        self.sums: dict[str, Any] = {}
        self.weights: dict[str, float] = {}

    def add(self, metrics: Mapping[str, Any], weight: float = 1.0) -> None:
        """Add numbers or tensors of one element.

        Raises:
            TypeError: something else.
        """
        for name, value in metrics.items():
            if isinstance(value, Tensor) and value.numel() == 1:
                value = value.detach().reshape(())
            elif not isinstance(value, (int, float)):
                shape = f" of shape {tuple(value.shape)}" if isinstance(value, Tensor) else ""
                raise TypeError(
                    f"Trainer: expected metrics to be numbers or tensors of one element, "
                    f"got {type(value).__name__}{shape} for {name!r}"
                )
            value = value * weight
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.weights[name] = self.weights.get(name, 0.0) + weight

    def means(self, prefix: str = "", suffix: str = "") -> dict[str, float]:
        """The means as Python numbers; ``prefix`` is put before names that lack it."""
        found = {}
        for name, total in self.sums.items():
            number = total.item() if isinstance(total, Tensor) else total
            whole = name if name.startswith(prefix) else prefix + name
            found[whole + suffix] = number / self.weights[name]
        return found

    def clear(self) -> None:
        """Start again."""
        self.sums.clear()
        self.weights.clear()

    def state_dict(self) -> dict[str, Any]:
        """Sums and weights, to be saved."""
        return {"sums": dict(self.sums), "weights": dict(self.weights)}

    def load_state_dict(self, state: Mapping[str, Any], device: Any) -> None:
        """Take back :meth:`state_dict`."""
        self.sums = {
            name: total.to(device) if isinstance(total, Tensor) else total
            for name, total in state["sums"].items()
        }
        self.weights = dict(state["weights"])
