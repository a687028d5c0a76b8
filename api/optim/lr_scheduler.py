"""Schedules of learning rates, with PyTorch's names, arguments and state dicts."""

from __future__ import annotations

from ._compound import ChainedScheduler as ChainedScheduler
from ._compound import ReduceLROnPlateau as ReduceLROnPlateau
from ._compound import SequentialLR as SequentialLR
from ._cycles import CosineAnnealingLR as CosineAnnealingLR
from ._cycles import CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts
from ._cycles import CyclicLR as CyclicLR
from ._cycles import OneCycleLR as OneCycleLR
from ._factors import ConstantLR as ConstantLR
from ._factors import ExponentialLR as ExponentialLR
from ._factors import LambdaLR as LambdaLR
from ._factors import LinearLR as LinearLR
from ._factors import MultiplicativeLR as MultiplicativeLR
from ._factors import MultiStepLR as MultiStepLR
from ._factors import PolynomialLR as PolynomialLR
from ._factors import StepLR as StepLR
from ._schedule import LRScheduler as LRScheduler

_LRScheduler = LRScheduler  # its name until PyTorch 2.0, which programs still derive from
