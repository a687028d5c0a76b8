"""Special functions of the stand-in: SciPy's."""

import scipy.special as _special
from cupy._functions import NAMES, function, ufunc

for _name, _lines in NAMES["ufuncs"].items():
    if _name.startswith("special.") and hasattr(_special, _name[8:]):
        globals()[_name[8:]] = ufunc(_name, getattr(_special, _name[8:]), _lines)
for _name, _signature in NAMES["special"].items():
    if hasattr(_special, _name):
        globals()[_name] = function(_name, getattr(_special, _name), _signature)
