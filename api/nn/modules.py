"""PyTorch's second address of the layers: ``nn.modules.batchnorm._BatchNorm`` and so on.

Our files are cut otherwise in places, so each of PyTorch's is put together here.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from . import (
    _loss,
    activation,
    adaptive,
    adaptive_pool,
    attention,
    batchnorm,
    container,
    conv,
    distance,
    dropout,
    embedding_loss,
    flatten,
    lazy,
    linear,
    loss,
    module,
    normalization,
    padding,
    parameter_container,
    pool,
    regression_loss,
    rnn,
    rnn_cell,
    shuffle,
    sigmoid,
    sparse,
    transformer,
    transformer_layers,
)
from .module import Module as Module

__all__ = ["Module"]

_FILES = {
    "activation": (activation, sigmoid, attention),
    "adaptive": (adaptive,),
    "batchnorm": (batchnorm, lazy),
    "channelshuffle": (shuffle,),
    "container": (container, parameter_container),
    "conv": (conv, lazy),
    "distance": (distance,),
    "dropout": (dropout,),
    "flatten": (flatten,),
    "fold": (shuffle,),
    "instancenorm": (batchnorm, lazy),
    "linear": (linear, lazy),
    "loss": (_loss, loss, regression_loss, embedding_loss),
    "module": (module,),
    "normalization": (normalization,),
    "padding": (padding,),
    "pixelshuffle": (shuffle,),
    "pooling": (pool, adaptive_pool),
    "rnn": (rnn, rnn_cell),
    "sparse": (sparse,),
    "transformer": (transformer, transformer_layers),
    "upsampling": (shuffle,),
}


def _tuples(count: int) -> Any:
    def repeat(value: Any) -> tuple[Any, ...]:
        """``value`` as often as there are dimensions; a sequence as a tuple."""
        return tuple(value) if hasattr(value, "__iter__") else (value,) * count

    return repeat


def _add(name: str, members: dict[str, Any]) -> None:
    address = f"{__name__}.{name}"
    made = ModuleType(address, f"PyTorch's address of layers: ``nn.modules.{name}``.")
    made.__dict__.update(members)
    sys.modules[address] = globals()[name] = made  # so that it can be imported, too


for _name, _sources in _FILES.items():
    _classes = [value for source in _sources for value in vars(source).values()]
    _found = {c.__name__: c for c in _classes if isinstance(c, type) and issubclass(c, Module)}
    _add(_name, _found)
    globals().update({name: layer for name, layer in _found.items() if name[0] != "_"})
_add("utils", {f"_{name}": _tuples(n + 1) for n, name in enumerate(
    ("single", "pair", "triple", "quadruple"))} | {"_ntuple": _tuples})  # fmt: skip
