"""Frozen: a backend for version 1 of the contract. Never edit it."""

from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np

from tensorplug.backends import ArrayAPIBackend

calls: list[str] = []


def expm1(x: Any) -> Any:
    """A kernel that the plugin gives by a hook."""
    calls.append("expm1")
    return np.expm1(x)


def square(x: Any) -> Any:
    """A kernel that the backend gives itself."""
    calls.append("square")
    return x * x


class FrozenBackend(ArrayAPIBackend):
    """NumPy by its array API namespace only, as one device."""

    name = "frozen-numpy"
    namespace = np

    soft_errors: ClassVar[tuple[type[BaseException], ...]] = (RuntimeWarning,)

    def quiet(self) -> AbstractContextManager[Any]:
        return np.errstate(all="ignore")

    def devices(self) -> list[str]:
        return ["cpu"]

    def kernels(self) -> dict[str, Any]:
        return {**super().kernels(), "square": square}
