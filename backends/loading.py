"""From a description to a working backend: import, construct, check."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from . import contract
from .base import Backend
from .dtypes import float32
from .errors import ValuesError
from .hookspecs import BackendSpec
from .sources import Claim, PluginFailure, say

__all__ = ["Unusable", "load_backend", "try_device", "whose"]


class Unusable(Exception):
    """Why a described backend cannot be used; :func:`whose` adds which plugin's it is."""

    def __init__(self, phase: str, problem: str, cause: BaseException | None = None) -> None:
        super().__init__(problem)
        self.phase = phase
        self.cause = cause


@contextmanager
def whose(claim: Claim, asked: str) -> Iterator[None]:
    """Make what is found inside an error of the plugin that describes the backend.

    Raises:
        PluginError: in place of Unusable.
    """
    try:
        yield
    except Unusable as error:
        failure = PluginFailure(claim.source, error.phase, str(error), error.cause)
        raise failure.error(asked) from error.cause


def load_backend(
    spec: BackendSpec, kernel_names: Collection[str] | None = None,
    *tensors: tuple[type, Callable[[Any], Any]],
) -> tuple[Backend, int]:  # fmt: skip
    """A checked instance of the backend, and how many devices it has.

    Args:
        spec: the description.
        kernel_names: the ops that exist, to refuse misspelt kernels; None to let all pass.
        tensors: what the backend is introduced to; see :meth:`Backend.introduce`.

    Raises:
        Unusable: with the phase, ``"library"``, ``"load"``, ``"contract"`` or ``"hardware"``.
    """
    missing = [name for name in spec.requires if not _is_installed(name)]
    if missing:
        raise Unusable("library", _missing_text(missing, spec.install))
    backend = _construct(spec)
    try:
        faults = contract.faults(backend, kernel_names)
        count = 0 if faults else len(backend.devices())
    except (Exception, SystemExit) as error:
        text = f"expected a backend that can be checked, got {say(error)}"
        raise Unusable("contract", text, error) from error
    if faults:
        raise Unusable("contract", _listed(backend, faults))
    if not count:
        name = type(backend).__qualname__
        text = f"expected at least one device, but {name} found none on this machine"
        advice = backend.no_devices()
        text = f"{text}; {advice}" if advice else text
        raise Unusable("hardware", text)
    try:
        for tensor, build in tensors:
            backend.introduce(tensor, build)
    except (Exception, SystemExit) as error:
        text = f"expected introduce() to take the class of tensors, got {say(error)}"
        raise Unusable("load", text, error) from error
    return backend, count


def try_device(backend: Backend, index: int) -> None:
    """Put one number on a device and read it back.

    Raises:
        Unusable: that does not work.
    """
    # Not in load_backend(): it may take memory of the hardware, and for each device apart.
    dtypes = backend.dtypes(index)
    sent = np.ones(1, (float32 if float32 in dtypes else dtypes[0]).numpy)
    rule = f"expected {type(backend).__qualname__} to hold values on its device {index}"
    try:
        with backend.enter(index) or nullcontext():
            got = np.asarray(backend.to_host(backend.from_host(sent, index)))
    except (ValuesError, MemoryError):  # a program is being traced, or the device is full
        return
    except (Exception, SystemExit) as error:
        raise Unusable("contract", f"{rule}, got {say(error)}", error) from error
    if got.shape != (1,) or got.dtype != sent.dtype or got[0] != 1:
        text = f"{rule}, but it gave back {got!r} for {sent!r}"
        raise Unusable("contract", text)


def _construct(spec: BackendSpec) -> Backend:
    module, _, name = spec.backend.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (Exception, SystemExit) as error:
        text = f"expected to import the backend {spec.backend}, got {say(error)}"
        raise Unusable("load", text, error) from error
    if not isinstance(found, type):
        kind = type(found).__name__
        raise Unusable("load", f"expected the backend {spec.backend} to be a class, got {kind}")
    try:
        backend: Backend = found(**spec.options)
    except (Exception, SystemExit) as error:
        text = f"expected to construct the backend {spec.backend}, got {say(error)}"
        raise Unusable("load", text, error) from error
    return backend


def _is_installed(name: str) -> bool:
    top = name.partition(".")[0]
    try:
        return find_spec(top) is not None
    except ValueError:  # imported by other means than the import system: it is there
        return True


def _missing_text(missing: list[str], install: str) -> str:
    several = len(missing) > 1
    text = (
        f"expected the array {'libraries' if several else 'library'} {' and '.join(missing)}, "
        f"but {'they are' if several else 'it is'} not installed"
    )
    return f"{text}; {install}" if install else text


def _listed(backend: Any, faults: list[str]) -> str:
    lines = [f"\n    {number}. {fault}" for number, fault in enumerate(faults, 1)]
    counted = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
    name = type(backend).__qualname__
    return f"expected {name} to keep the backend contract, got {counted}:{''.join(lines)}"
