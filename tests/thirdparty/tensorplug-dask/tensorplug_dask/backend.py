"""The backend itself: Dask through array-api-compat."""

import array_api_compat.dask.array

from tensorplug.backends import ArrayAPIBackend


class DaskBackend(ArrayAPIBackend):
    """Dask arrays."""

    name = "dask"
    namespace = array_api_compat.dask.array

    def devices(self) -> list[str]:
        """``dask:0``."""
        return ["cpu"]
