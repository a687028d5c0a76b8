"""A small training loop: :class:`Trainer`, its callbacks and its loggers.

Names follow Lightning where it has the same thing. Read :mod:`tensorplug.trainer._trainer` for the
loop itself.
"""

from __future__ import annotations

from ._callbacks import Callback as Callback
from ._callbacks import EarlyStopping as EarlyStopping
from ._callbacks import LearningRateMonitor as LearningRateMonitor
from ._checkpoint import ModelCheckpoint as ModelCheckpoint
from ._loggers import CSVLogger as CSVLogger
from ._progress import ProgressBar as ProgressBar
from ._steps import Steps as Steps
from ._trainer import Trainer as Trainer
