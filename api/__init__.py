"""One PyTorch-shaped Tensor and autograd engine over any array library.

``import tensorplug as tp``: functions and Tensor methods have PyTorch's names and semantics;
devices such as ``"cpu"`` or ``"cuda:0"`` are plugins.
"""

from __future__ import annotations

from .autograd import ops as _ops  # declares the rows
from .autograd.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .autograd.tensor import Size, Tensor
from .backends.device import Device as device
from .backends.dtypes import (
    bfloat16,
    complex64,
    complex128,
    finfo,
    float16,
    float32,
    float64,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from .backends.dtypes import ALIASES as _aliases
from ._version import __version__
from . import _creation, _draws, _functions, _methods, _sampling, random
from ._creation import as_tensor, asarray, from_dlpack, from_numpy, tensor
from ._repr import get_printoptions, printoptions, set_printoptions
from ._torch_face import build as _build
from .random import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)

_methods.attach()
_face = _build()
globals().update(_face[""])
globals().update(_aliases)
