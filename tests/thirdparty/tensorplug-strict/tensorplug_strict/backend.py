"""The backend itself: a name, a namespace and devices."""

import array_api_strict

from tensorplug.backends import ArrayAPIBackend


class StrictBackend(ArrayAPIBackend):
    """array-api-strict with three devices; its default is the newest revision of the standard."""

    name = "array_api_strict"
    namespace = array_api_strict

    def devices(self) -> list[array_api_strict.Device]:
        return [array_api_strict.Device(name) for name in ("CPU_DEVICE", "device1", "device2")]
