"""The functions behind the layers, with PyTorch's names: ``import tensorplug.nn.functional as F``."""

from __future__ import annotations

from ._functional.activation import *
from ._functional.conv import *
from ._functional.dropout import *
from ._functional.linear import *
from ._functional.loss import *
from ._functional.pool import *
from ._functional.windows import *
