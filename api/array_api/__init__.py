"""The array API standard, revision 2025.12, over tensorplug's tensors.

``x.__array_namespace__()`` returns this module. Names, signatures and results are those of the
standard; tensors, devices, kernels and gradients are the same as under PyTorch's names, so the two
faces mix freely. :mod:`tensorplug.array_api.linalg` and :mod:`tensorplug.array_api.fft` are the
extensions.

Example:
    >>> xp = tp.ones(2).__array_namespace__()
    >>> x = xp.asarray([1.0, 2.0, 3.0]).requires_grad_()
    >>> xp.sum(xp.square(x), axis=0).backward()
    >>> x.grad
    tensor([2., 4., 6.])
"""

from __future__ import annotations

import math as _math
import sys as _sys

from ..backends.dtypes import bool_ as _bool

# ruff: noqa: F401
from ..backends.dtypes import (
    complex64 as complex64,
)
from ..backends.dtypes import (
    complex128 as complex128,
)
from ..backends.dtypes import (
    float32 as float32,
)
from ..backends.dtypes import (
    float64 as float64,
)
from ..backends.dtypes import (
    int8 as int8,
)
from ..backends.dtypes import (
    int16 as int16,
)
from ..backends.dtypes import (
    int32 as int32,
)
from ..backends.dtypes import (
    int64 as int64,
)
from ..backends.dtypes import (
    uint8 as uint8,
)
from ..backends.dtypes import (
    uint16 as uint16,
)
from ..backends.dtypes import (
    uint32 as uint32,
)
from ..backends.dtypes import (
    uint64 as uint64,
)
from . import _creation, _dtypes, _elementwise, _manipulation, _products, _search, _statistics
from . import fft as fft
from . import linalg as linalg
from . import special as special
from ._array import attach as _attach
from ._info import VERSION as __array_api_version__
from ._info import __array_namespace_info__ as __array_namespace_info__

bool = _bool
e, inf, nan, newaxis, pi = _math.e, _math.inf, _math.nan, None, _math.pi

for _module in (
    _creation, _dtypes, _elementwise, _manipulation, _products, _search, _statistics
):  # fmt: skip
    globals().update({_name: getattr(_module, _name) for _name in _module.__all__})

_attach(_sys.modules[__name__])
