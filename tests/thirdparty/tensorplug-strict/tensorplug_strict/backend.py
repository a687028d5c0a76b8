"""The backend itself: a name, a namespace and devices."""

from contextlib import AbstractContextManager
from typing import Any, ClassVar

import array_api_strict
import numpy as np

from tensorplug.backends import ArrayAPIBackend


class StrictBackend(ArrayAPIBackend):
    """array-api-strict with three devices; its default is the newest revision of the standard."""

    name = "array_api_strict"
    namespace = array_api_strict

    # The library computes with NumPy, which reports inf and nan by warnings.
    soft_errors: ClassVar[tuple[type[BaseException], ...]] = (RuntimeWarning,)

    def quiet(self) -> AbstractContextManager[Any]:
        """NumPy without these warnings."""
        return np.errstate(all="ignore")

    def devices(self) -> list[array_api_strict.Device]:
        """``strict:0`` to ``strict:2``; arrays of different ones do not mix."""
        return [array_api_strict.Device(name) for name in ("CPU_DEVICE", "device1", "device2")]
