"""Autocast: products in half precision, what needs range or precision in float32."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any, NamedTuple

import tensorplug as tp
from tensorplug.autograd.modes import GRAD_MODE
from tensorplug.autograd.tensor import Tensor
from tensorplug.backends.device import Device
from tensorplug.backends.dtypes import DType, bfloat16, float16, float32
from tensorplug.backends.errors import DeviceError

from ._policy import policy_of
from ._switch import Switch

__all__ = [
    "autocast", "clear_autocast_cache", "custom_bwd", "custom_fwd", "get_autocast_dtype",
    "is_autocast_available", "is_autocast_cache_enabled", "is_autocast_enabled",
    "set_autocast_cache_enabled", "set_autocast_dtype",
]  # fmt: skip

_KINDS = (float16, bfloat16, float32)
"""The types that autocast touches; float64 is left alone."""


class _State(NamedTuple):
    """What the blocks around the present context ask for."""

    dtypes: Mapping[str, DType]
    """The autocast dtype by device type, of those where it is on."""
    cache: dict[int, tuple[Tensor, int, Tensor]] | None
    """Casts of leaf tensors, with the version of the leaf; shared by nested blocks."""


_OFF = _State({}, None)
_STATE: ContextVar[_State] = ContextVar("tensorplug_autocast", default=_OFF)
_DTYPES: ContextVar[Mapping[str, DType]] = ContextVar(
    "tensorplug_autocast_dtypes", default=_OFF.dtypes
)
_CACHE_ENABLED: ContextVar[bool] = ContextVar("tensorplug_autocast_cache", default=True)


def _call(
    name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a function on the lists, with arguments cast where a block is active."""
    state = _STATE.get()
    if not state.dtypes or kwargs.get("out") is not None:
        return function(*args, **kwargs)
    tensors = _tensors((*args, *kwargs.values()))
    device_type = next((x._device.type for x in tensors if x._device.type in state.dtypes), None)
    policy = None if device_type is None else _policy(name, device_type, args, kwargs)
    if policy is None:
        return function(*args, **kwargs)
    token = _STATE.set(_OFF)  # what the function is made of is not cast again
    try:
        if policy != "alone":
            lower = state.dtypes[device_type]  # type: ignore[index]  # there is a policy
            dtype = lower if policy == "lower" else float32
            if policy == "widest" and not any(x._dtype is float32 for x in tensors):
                dtype = lower
            args = tuple(_cast(value, device_type, dtype, state.cache) for value in args)
            kwargs = {k: _cast(v, device_type, dtype, state.cache) for k, v in kwargs.items()}
        return function(*args, **kwargs)
    finally:
        _STATE.reset(token)


_SWITCH = Switch(_call)


def _tensors(values: Any) -> list[Tensor]:
    found = []
    for value in values:
        if type(value) is Tensor:
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += _tensors(value)
    return found


def _policy(
    name: str, device_type: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> str | None:
    """What is to be done with the arguments of a call; None for nothing."""
    policy = policy_of(device_type, name)
    if policy == "float32":
        asked = kwargs.get("dtype") is not None
        keeps = name.endswith(".pad") and not {"reflect", "replicate"} & {
            *args[2:3], kwargs.get("mode")
        }  # fmt: skip
        return None if asked or keeps else policy
    if policy == "refused":
        raise RuntimeError(
            f"{name}: expected binary_cross_entropy_with_logits under autocast, got "
            "probabilities; a sigmoid in half precision gives 0 or 1 too soon: leave the sigmoid "
            "to the loss, or disable autocast around it"
        )
    return policy


def _cast(value: Any, device_type: Any, dtype: DType, cache: Any) -> Any:
    """Tensors cast to ``dtype``, also in lists and tuples."""
    if type(value) is Tensor:
        if value._dtype is dtype or value._dtype not in _KINDS:
            return value
        if value._device.type != device_type:
            return value
        if cache is None or dtype is float32 or not (value._track is True and value.is_leaf):
            return value.to(dtype)
        return _cached(value, dtype, cache)
    if isinstance(value, (list, tuple)) and _tensors(value):
        items = [_cast(item, device_type, dtype, cache) for item in value]
        return type(value)(items)
    return value


def _cached(leaf: Tensor, dtype: DType, cache: dict[int, tuple[Tensor, int, Tensor]]) -> Tensor:
    """A cast of a parameter, made once; again after a change of the parameter."""
    if not GRAD_MODE.get() or leaf._is_view():  # a cast without history would stay without
        return leaf.to(dtype)
    found = cache.get(id(leaf))
    if found is None or found[1] != leaf._version or found[2]._dtype is not dtype:
        found = cache[id(leaf)] = (leaf, leaf._version, leaf.to(dtype))
    return found[2]


class autocast:
    """Run products in half precision, and what needs range or precision in float32.

    As context manager or decorator. Which functions are cast is PyTorch's documented choice, for
    the CPU and for accelerators; everything else takes what it is given.

    Args:
        device_type: the device whose tensors are cast: "cpu", "cuda", ...
        dtype: float16 or bfloat16; by default :func:`get_autocast_dtype` of the device.
        enabled: False switches autocast off within another block.
        cache_enabled: keep the casts of parameters until the outermost block ends.

    Example:
        >>> layer = tp.nn.Linear(2, 2)
        >>> with tp.autocast("cpu"):
        ...     y = layer(tp.ones(1, 2))
        ...     loss = tp.nn.functional.mse_loss(y, tp.zeros(1, 2))
        >>> y.dtype, loss.dtype
        (tensorplug.bfloat16, tensorplug.float32)
    """

    def __init__(
        self,
        device_type: str,
        dtype: DType | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        _check_text("autocast", device_type)
        if not is_autocast_available(device_type) and device_type != "cuda":
            raise RuntimeError(
                f"autocast: expected an installed device_type, got {device_type!r}; "
                "tensorplug devices lists them"
            )
        self.device = device_type
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self._enabled = bool(enabled) and self._possible()
        if cache_enabled is None:
            cache_enabled = _CACHE_ENABLED.get()
        self._cache_enabled = cache_enabled
        self._before: list[tuple[_State, Mapping[str, DType], bool]] = []

    def _possible(self) -> bool:
        problem = ""
        if self.device == "cuda" and not tp.cuda.is_available():
            problem = "expected a CUDA device, got none"
        elif self.fast_dtype not in (float16, bfloat16):
            problem = f"expected dtype float16 or bfloat16, got {self.fast_dtype}"
        elif not Device(self.device).backend.supports_dtype(self.fast_dtype, 0):
            problem = f"expected a dtype that {self.device} computes with, got {self.fast_dtype}"
        if problem:
            warnings.warn(f"autocast: {problem}; autocast is off", UserWarning, stacklevel=3)
        return not problem

    def __enter__(self) -> autocast:
        state = _STATE.get()
        self._before.append((state, _DTYPES.get(), _CACHE_ENABLED.get()))
        dtypes = {**state.dtypes, self.device: self.fast_dtype}
        if not self._enabled:
            del dtypes[self.device]
        cache = state.cache if state.cache is not None else {}
        _STATE.set(_State(dtypes, cache if self._cache_enabled else None))
        _DTYPES.set({**_DTYPES.get(), self.device: self.fast_dtype})
        _CACHE_ENABLED.set(self._cache_enabled)
        _SWITCH.on()
        return self

    def __exit__(self, *exception: object) -> None:
        _SWITCH.off()
        state, dtypes, cached = self._before.pop()
        _STATE.set(state)
        _DTYPES.set(dtypes)
        _CACHE_ENABLED.set(cached)

    def __call__(self, func: Any) -> Callable[..., Any]:
        if not callable(func):
            got = type(func).__name__
            raise TypeError(
                f"autocast: expected a function to decorate, got {got}; "
                "write `with autocast(...):` to use it as a context manager"
            )

        @wraps(func)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return call


def is_autocast_available(device_type: str) -> bool:
    """Whether a device of this type is installed."""
    try:
        return bool(Device(device_type).backend.devices())
    except DeviceError:
        return False


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether autocast is on for tensors of a device."""
    return device_type in _STATE.get().dtypes


def get_autocast_dtype(device_type: str) -> DType:
    """The type that products are computed in: float16 on CUDA devices, else bfloat16."""
    return _DTYPES.get().get(device_type, float16 if device_type == "cuda" else bfloat16)


def set_autocast_dtype(device_type: str, dtype: DType) -> None:
    """Choose the default type of later :class:`autocast` blocks."""
    _DTYPES.set({**_DTYPES.get(), device_type: dtype})


def is_autocast_cache_enabled() -> bool:
    """Whether casts of parameters are kept."""
    return _CACHE_ENABLED.get()


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Choose whether later :class:`autocast` blocks keep casts of parameters."""
    _CACHE_ENABLED.set(bool(enabled))


def clear_autocast_cache() -> None:
    """Forget the casts of parameters that were kept."""
    cache = _STATE.get().cache
    if cache is not None:
        cache.clear()


# --- custom functions ----------------------------------------------------------------------------


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: DType | None = None
) -> Any:
    """A decorator for ``forward`` of an :class:`autograd.Function` that is used under autocast.

    Args:
        fwd: the method; left out where the decorator is called with arguments only.
        device_type: the device whose autocast state counts.
        cast_inputs: under autocast, cast floating-point inputs to this type and switch autocast
            off in ``forward``; None runs ``forward`` as autocast would.

    Raises:
        ValueError: ``device_type`` is not a text.
    """
    _check_text("custom_fwd", device_type)
    if fwd is None:
        return partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @wraps(fwd)
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        enabled = is_autocast_enabled(device_type)
        ctx._autocast = (enabled and cast_inputs is None, get_autocast_dtype(device_type))
        if cast_inputs is None or not enabled:
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type, enabled=False):
            args = tuple(_cast_all(value, device_type, cast_inputs) for value in args)
            kwargs = {k: _cast_all(v, device_type, cast_inputs) for k, v in kwargs.items()}
            return fwd(ctx, *args, **kwargs)

    return forward


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Any:
    """A decorator for ``backward``: it runs as :func:`custom_fwd` ran ``forward``.

    Raises:
        ValueError: ``device_type`` is not a text.
    """
    _check_text("custom_bwd", device_type)
    if bwd is None:
        return partial(custom_bwd, device_type=device_type)

    @wraps(bwd)
    def backward(ctx: Any, *grads: Any) -> Any:
        enabled, dtype = ctx._autocast
        with autocast(device_type, dtype, enabled):
            return bwd(ctx, *grads)

    return backward


def _check_text(name: str, device_type: Any) -> None:
    if not isinstance(device_type, str):
        got = type(device_type).__name__
        raise ValueError(f"{name}: expected device_type to be a text, got {got}")


def _cast_all(value: Any, device_type: str, dtype: DType) -> Any:
    """Floating-point tensors, also in containers, cast to ``dtype``; float64 stays."""
    if isinstance(value, Mapping):
        return {key: _cast_all(item, device_type, dtype) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_cast_all(item, device_type, dtype) for item in value)
    return _cast(value, device_type, dtype, None)
