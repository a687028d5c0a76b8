"""Grad mode: whether operations are recorded, per context (thread or asyncio task)."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from inspect import isgeneratorfunction
from typing import Any, TypeVar

__all__ = [
    "ANOMALY",
    "GRAD_MODE",
    "detect_anomaly",
    "enable_grad",
    "inference_mode",
    "is_anomaly_enabled",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])

GRAD_MODE: ContextVar[bool] = ContextVar("tensorplug_grad_mode", default=True)
"""Read by the call paths, and only when an input may need a gradient."""

_INFERENCE: ContextVar[bool] = ContextVar("tensorplug_inference_mode", default=False)


class Mode:
    """A grad mode as context manager and as decorator; may be nested and entered again."""

    __slots__ = ("_previous", "mode")

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self._previous: list[bool] = []

    def __enter__(self) -> None:
        self._previous.append(GRAD_MODE.get())
        GRAD_MODE.set(self.mode)

    def __exit__(self, *exception: object) -> None:
        # Not ContextVar.reset: a generator may leave in another context than it entered.
        GRAD_MODE.set(self._previous.pop())

    def __call__(self, function: _Function) -> _Function:
        fresh = self._fresh
        if isgeneratorfunction(function):

            @wraps(function)
            def generate(*args: Any, **kwargs: Any) -> Any:
                iterator = function(*args, **kwargs)
                while True:
                    with fresh():
                        try:
                            item = next(iterator)
                        except StopIteration as stop:
                            return stop.value
                    yield item

            return generate  # type: ignore[return-value]  # wraps() keeps the signature

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with fresh():
                return function(*args, **kwargs)

        return call  # type: ignore[return-value]  # wraps() keeps the signature

    def _fresh(self) -> Mode:
        return Mode(self.mode)


class _ModeOrDecorator(type):
    """Lets ``@no_grad`` work without parentheses, as ``@no_grad()`` does."""

    def __call__(cls, function: Any = None) -> Any:
        mode = super().__call__()
        return mode if function is None else mode(function)


class no_grad(Mode, metaclass=_ModeOrDecorator):
    """Do not record operations: ``with tp.no_grad():`` or ``@tp.no_grad()``.

    Example:
        >>> x = tp.ones(2, requires_grad=True)
        >>> with tp.no_grad():
        ...     y = x * 2
        >>> y.requires_grad
        False
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(Mode, metaclass=_ModeOrDecorator):
    """Record operations again inside a :class:`no_grad` block."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(True)


class set_grad_enabled(Mode):
    """Set grad mode at once, and back at the end when used in ``with``."""

    __slots__ = ("_at_call",)

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        self._at_call: list[bool] = [GRAD_MODE.get()]
        GRAD_MODE.set(self.mode)

    def __enter__(self) -> None:
        self._previous.append(self._at_call.pop() if self._at_call else GRAD_MODE.get())
        GRAD_MODE.set(self.mode)

    def __call__(self, function: _Function) -> _Function:
        if self._at_call:  # used as a decorator: building it must not leave the mode changed
            GRAD_MODE.set(self._at_call.pop())
        return super().__call__(function)


class inference_mode(Mode):
    """:class:`no_grad` under PyTorch's other name.

    Differs from torch: the results are ordinary tensors, which autograd may use later.

    Args:
        mode: ``False`` records operations instead.
    """

    __slots__ = ()

    def __new__(cls, mode: Any = True) -> Any:
        if callable(mode):
            return cls(True)(mode)
        return super().__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        super().__init__(not mode)

    def __enter__(self) -> None:
        super().__enter__()
        self._previous.append(_INFERENCE.get())
        _INFERENCE.set(not self.mode)

    def __exit__(self, *exception: object) -> None:
        _INFERENCE.set(self._previous.pop())
        super().__exit__(*exception)

    def _fresh(self) -> Mode:
        return inference_mode(not self.mode)


def is_grad_enabled() -> bool:
    """Whether operations on tensors that require grad are recorded now."""
    return GRAD_MODE.get()


def is_inference_mode_enabled() -> bool:
    """Whether an :class:`inference_mode` block is active."""
    return _INFERENCE.get()


ANOMALY: list[bool] = [False, True]
"""[whether nodes remember where they were made, whether nan gradients raise]."""


class detect_anomaly:
    """Remember where each operation was recorded, and show it when its backward fails.

    Args:
        check_nan: also fail when a backward computes nan.
    """

    __slots__ = ("_check_nan", "_previous")

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = check_nan
        self._previous: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        self._previous.append((ANOMALY[0], ANOMALY[1]))
        ANOMALY[:] = [True, self._check_nan]

    def __exit__(self, *exception: object) -> None:
        ANOMALY[:] = self._previous.pop()


class set_detect_anomaly(detect_anomaly):
    """Switch anomaly mode at once, and back at the end when used in ``with``."""

    __slots__ = ()

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        super().__init__(check_nan)
        self._previous.append((ANOMALY[0], ANOMALY[1]))
        ANOMALY[:] = [bool(mode), check_nan]

    def __enter__(self) -> None:
        """The mode was set when the object was made."""


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on."""
    return ANOMALY[0]
