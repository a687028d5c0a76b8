"""Mixed precision on CUDA devices under PyTorch's older names; :mod:`tensorplug.amp` is newer."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..amp import autocast_mode, grad_scaler
from ..backends.dtypes import DType, float16

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


class autocast(autocast_mode.autocast):
    """:class:`tensorplug.amp.autocast` for CUDA devices."""

    def __init__(
        self, enabled: bool = True, dtype: DType = float16, cache_enabled: bool = True
    ) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(grad_scaler.GradScaler):
    """:class:`tensorplug.amp.GradScaler` for CUDA devices."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        super().__init__(
            "cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled
        )


custom_fwd: Any = partial(autocast_mode.custom_fwd, device_type="cuda")
custom_bwd: Any = partial(autocast_mode.custom_bwd, device_type="cuda")
