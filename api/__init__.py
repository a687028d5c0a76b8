"""One PyTorch-shaped Tensor and autograd engine over any array library.

``import tensorplug as tp``: functions and Tensor methods have PyTorch's names and semantics;
devices such as ``"cpu"`` or ``"cuda:0"`` are plugins.
"""

from __future__ import annotations

import math as _math

# ruff: noqa: E402, F401, I001 - the order matters: rows, then functions, then the face made of both.
from .autograd import ops as _ops  # declares the rows
from . import _draws, _functions, _sampling  # register the functions
from . import _methods, _storage
from ._attach import attach as _attach
from ._torch_face import build as _build
from .backends.host import subscribe as _subscribe

_attach()
_face = _build()
globals().update(_face[""])
_subscribe(lambda: globals().update(_build()[""]))  # ops that a plugin declares later
_storage.attach()

from . import fft as fft, linalg as linalg, special as special
from . import autograd as autograd, backends as backends, cuda as cuda, random as random
from . import func as func, nn as nn, optim as optim, utils as utils, viz as viz
from . import accelerator as accelerator, amp as amp, array_api as array_api, trainer as trainer
from .amp.autocast_mode import (
    autocast as autocast,
    clear_autocast_cache as clear_autocast_cache,
    get_autocast_dtype as get_autocast_dtype,
    is_autocast_cache_enabled as is_autocast_cache_enabled,
    is_autocast_enabled as is_autocast_enabled,
    set_autocast_cache_enabled as set_autocast_cache_enabled,
    set_autocast_dtype as set_autocast_dtype,
)
from .cuda import amp as _cuda_amp  # makes tensorplug.cuda.amp
from ._creation import (
    as_tensor as as_tensor,
    asarray as asarray,
    tensor as tensor,
)
from ._foreign import from_dlpack as from_dlpack, from_numpy as from_numpy
from ._formats import (
    channels_last as channels_last,
    channels_last_3d as channels_last_3d,
    contiguous_format as contiguous_format,
    layout as layout,
    memory_format as memory_format,
    preserve_format as preserve_format,
    strided as strided,
)
from ._repr import (
    get_printoptions as get_printoptions,
    printoptions as printoptions,
    set_printoptions as set_printoptions,
)
from ._summary import summary as summary
from ._types import (
    can_cast as can_cast,
    get_default_dtype as get_default_dtype,
    is_complex as is_complex,
    is_floating_point as is_floating_point,
    is_tensor as is_tensor,
    numel as numel,
    promote_types as promote_types,
    result_type as result_type,
    set_default_dtype as set_default_dtype,
    set_default_tensor_type as set_default_tensor_type,
    LEGACY as _LEGACY,
)
from .trainer import Trainer as Trainer
from ._version import __version__ as __version__
from .autograd.modes import (
    enable_grad as enable_grad,
    inference_mode as inference_mode,
    is_grad_enabled as is_grad_enabled,
    is_inference_mode_enabled as is_inference_mode_enabled,
    no_grad as no_grad,
    set_grad_enabled as set_grad_enabled,
)
from .autograd.tensor import Size as Size, Tensor as Tensor
from .backends import OutOfMemoryError as OutOfMemoryError
from .backends import devices as devices
from .backends.device import Device as device
from .backends.device import (
    get_default_device as get_default_device,
    set_default_device as set_default_device,
    synchronize as synchronize,
)
from .backends.dtypes import (
    DType as dtype,
    bfloat16 as bfloat16,
    float8_e4m3fn as float8_e4m3fn,
    float8_e5m2 as float8_e5m2,
    complex64 as complex64,
    complex128 as complex128,
    finfo as finfo,
    float16 as float16,
    float32 as float32,
    float64 as float64,
    iinfo as iinfo,
    int8 as int8,
    int16 as int16,
    int32 as int32,
    int64 as int64,
    uint8 as uint8,
    uint16 as uint16,
    uint32 as uint32,
    uint64 as uint64,
)
from .backends.dtypes import ALIASES as _ALIASES
from .random import (
    Generator as Generator,
    default_generator as default_generator,
    get_rng_state as get_rng_state,
    initial_seed as initial_seed,
    manual_seed as manual_seed,
    seed as seed,
    set_rng_state as set_rng_state,
)
from . import serialization as serialization
from .serialization import load as load, save as save

globals().update(_ALIASES)
globals().update(_LEGACY)
pi, e, inf, nan = _math.pi, _math.e, _math.inf, _math.nan
newaxis = None
