"""Switching autocast on and off in the functions themselves, so that off costs nothing.

Note [Exchanged code]
While an autocast block is active anywhere, each function on the policy lists runs other code: a
line that hands its arguments on to be cast. The function object stays the same one, so it
does not matter who imported it under which name, and operators, methods and layers that hold it
notice too. When the last block ends, each function has its own code again, and nothing is left of
the switch: no test, no wrapper, no Python frame.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from types import CodeType, FunctionType
from typing import Any

from tensorplug._torch_face import operators_of
from tensorplug.autograd.registry import FUNCTIONS, ROWS

from ._policy import NAMES

__all__ = ["Switch"]

Cast = Callable[[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


def _redirected(*args: Any, _autocast: Any, **kwargs: Any) -> Any:
    """The code that takes the place of a function's own; ``_autocast`` is a default."""
    return _autocast(args, kwargs)


class Exchange:
    """A function's own code and the other."""

    __slots__ = ("function", "other", "own")

    def __init__(self, function: Any, name: str, cast: Cast) -> None:
        self.function = function
        self.own: CodeType = function.__code__
        # Code can only be exchanged for code with as many variables of enclosing functions.
        self.other = _redirected.__code__.replace(co_freevars=self.own.co_freevars)
        plain = FunctionType(
            self.own, function.__globals__, name, function.__defaults__, function.__closure__
        )
        plain.__kwdefaults__ = function.__kwdefaults__
        # A default that the function's own code, which has no such argument, never sees.
        function.__kwdefaults__ = {
            **(function.__kwdefaults__ or {}),
            "_autocast": lambda args, kwargs: cast(name, plain, args, kwargs),
        }

    def on(self) -> None:
        """Redirect calls."""
        self.function.__code__ = self.other

    def off(self) -> None:
        """Give the function its own code back."""
        self.function.__code__ = self.own


class Switch:
    """Redirects all functions on the lists to ``cast(name, function, args, kwargs)``."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._exchanges: dict[int, Exchange] = {}
        self._known = self._users = 0
        self._lock = Lock()

    def on(self) -> None:
        """Count one more user; the first one switches on."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                if self._known != len(FUNCTIONS):  # plugins may have declared some
                    self._find()
                for exchange in self._exchanges.values():
                    exchange.on()

    def off(self) -> None:
        """Count one user less; the last one switches off."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                for exchange in self._exchanges.values():
                    exchange.off()

    def _find(self) -> None:
        """Look up the functions."""
        self._known = len(FUNCTIONS)
        for name in NAMES:
            called = FUNCTIONS.get(name) or ROWS.get(name)
            if called is None:
                continue
            for function in (called.call, *operators_of(name)):
                if isinstance(function, FunctionType) and id(function) not in self._exchanges:
                    self._exchanges[id(function)] = Exchange(function, name, self._cast)
