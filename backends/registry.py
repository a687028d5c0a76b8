"""Registry (first version)."""
from .device import Device
def for_array(a):
    import numpy as np
    return Device("cpu") if isinstance(a, np.ndarray) else None
