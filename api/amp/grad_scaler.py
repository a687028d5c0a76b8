"""GradScaler: gradients in float16 kept away from zero, steps with inf skipped."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor
from tensorplug.backends.dtypes import float16, float32

__all__ = ["GradScaler"]


class GradScaler:
    """Multiplies losses by a number that is as large as the gradients allow.

    Each :meth:`step` divides the gradients again, and leaves the parameters alone when one of
    them is inf or nan; :meth:`update` then lowers the number, and now and then raises it.

    Args:
        device: where the loss is; gradient scaling is off for "cuda" without a CUDA device.
        init_scale: the first number.
        growth_factor: what it is multiplied by after ``growth_interval`` steps without inf.
        backoff_factor: what it is multiplied by after a step with inf.
        growth_interval: see ``growth_factor``.
        enabled: False does nothing but step.

    Example:
        >>> x = tp.ones(1, requires_grad=True)
        >>> optimizer = tp.optim.SGD([x], lr=0.5)
        >>> scaler = tp.amp.GradScaler("cpu", init_scale=4.0)
        >>> scaler.scale(x.sum()).backward()
        >>> x.grad.item()
        4.0
        >>> scaler.step(optimizer)
        >>> scaler.update()
        >>> x.item(), scaler.get_scale()
        (0.5, 4.0)
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device
        self._enabled = enabled
        if device == "cuda" and enabled and not tp.cuda.is_available():
            warnings.warn(
                "GradScaler: expected a CUDA device, got none; scaling is off: pass device='cpu' "
                "for another device",
                UserWarning,
                stacklevel=2,
            )
            self._enabled = False
        self.set_growth_factor(growth_factor)
        self.set_backoff_factor(backoff_factor)
        self._growth_interval = growth_interval
        self._growth_tracker = 0
        self._scale = float(init_scale)
        # By id of the optimizer: the optimizer, its number of inf or nan gradients, and the stage.
        self._seen: dict[int, _Seen] = {}

    def scale(self, outputs: Any) -> Any:
        """Multiply a tensor, or all tensors in nested iterables, by the number."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            # In float32, as the number may be too large for float16; then back.
            scaled = outputs * tp.full((), self._scale, dtype=float32, device=outputs.device)
            return scaled if outputs.ndim == 0 else scaled.to(outputs.dtype)
        if isinstance(outputs, Iterable):
            items = [self.scale(item) for item in outputs]
            return type(outputs)(items) if isinstance(outputs, (list, tuple)) else items
        raise ValueError(
            f"GradScaler.scale: expected a Tensor or an iterable of them, got {outputs!r}"
        )

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimizer's parameters, for example before clipping them.

        Raises:
            RuntimeError: they have been divided already, or the optimizer has stepped, since the
                last :meth:`update`.
            ValueError: a gradient is float16: keep the parameters in float32.
        """
        if not self._enabled:
            return
        seen = self._seen.setdefault(id(optimizer), _Seen(optimizer))
        if seen.stage != "":
            raise RuntimeError(
                "GradScaler.unscale_: expected one call for each optimizer before update(), got "
                f"one after {seen.stage}()"
            )
        with tp.no_grad():
            for group in optimizer.param_groups:
                for param in group["params"]:
                    if param.grad is not None:
                        self._unscale(seen, param.grad)
        seen.stage = "unscale_"

    def _unscale(self, seen: _Seen, grad: Tensor) -> None:
        if grad.dtype is float16:
            raise ValueError(
                "GradScaler.unscale_: expected float32 gradients, got float16; keep the "
                "parameters in float32. Attempting to unscale FP16 gradients."
            )
        grad.mul_(1.0 / self._scale)
        bad = grad.isfinite().logical_not_().any()
        device = bad.device
        seen.bad[device] = bad if device not in seen.bad else seen.bad[device].logical_or_(bad)

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step(*args, **kwargs)``, unless a gradient is inf or nan.

        Returns:
            What the optimizer's step returned; None where it was left out.

        Raises:
            RuntimeError: called twice since the last :meth:`update`, or with a closure.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError(
                "GradScaler.step: expected no closure, got one; scaled gradients would be computed "
                "again inside of the step"
            )
        seen = self._seen.setdefault(id(optimizer), _Seen(optimizer))
        if seen.stage == "step":
            raise RuntimeError("GradScaler.step: expected one call before update(), got another")
        if seen.stage == "":
            self.unscale_(optimizer)
        if not seen.bad:
            raise RuntimeError(
                "GradScaler.step: expected an optimizer with gradients, got none; call "
                "scale(loss).backward() first. No inf checks were recorded for this optimizer."
            )
        seen.stage = "step"
        if any(bad.item() for bad in seen.bad.values()):
            return None
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Choose the number of the next steps, or set it to ``new_scale``.

        Raises:
            RuntimeError: there was no step since the last call.
        """
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        else:
            found = [bad for seen in self._seen.values() for bad in seen.bad.values()]
            if not found:
                raise RuntimeError(
                    "GradScaler.update: expected a step() or unscale_() before it, got none; no "
                    "inf checks were recorded prior to update."
                )
            self._adapt(any(bad.item() for bad in found))
        self._seen.clear()

    def _adapt(self, bad: bool) -> None:
        if bad:
            self._scale *= self._backoff_factor
            self._growth_tracker = 0
            return
        self._growth_tracker += 1
        if self._growth_tracker >= self._growth_interval:
            grown = self._scale * self._growth_factor
            self._scale = grown if grown <= tp.finfo(float32).max else self._scale
            self._growth_tracker = 0

    def get_scale(self) -> float:
        """The number, 1 when scaling is off."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """What the number is multiplied by after many steps without inf."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Change the growth factor; it must be above 1."""
        if new_factor <= 1.0:
            raise ValueError(f"GradScaler: expected growth_factor above 1, got {new_factor}")
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the number is multiplied by after a step with inf."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Change the backoff factor; it must be below 1."""
        if new_factor >= 1.0:
            raise ValueError(f"GradScaler: expected backoff_factor below 1, got {new_factor}")
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """How many steps without inf it takes to grow."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Change the growth interval."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether losses are scaled."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The number and the factors, in PyTorch's layout; empty when scaling is off."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave, here or in PyTorch.

        Raises:
            RuntimeError: the dict is empty: it is from a scaler that was off.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "GradScaler.load_state_dict: expected the state of an enabled scaler, got an "
                "empty dict"
            )
        self._scale = float(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]

    def __getstate__(self) -> dict[str, Any]:
        if self._seen:
            raise RuntimeError(
                "GradScaler: expected to be copied or pickled after update(), got a step before it"
            )
        return dict(self.__dict__)


class _Seen:
    """What happened to an optimizer since the last update."""

    __slots__ = ("bad", "optimizer", "stage")

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer  # alive, so that its id stays its own
        self.bad: dict[Any, Tensor] = {}
        self.stage = ""
