"""DLPack: what its exporters raise, and bfloat16, which NumPy knows in neither direction.

A capsule points to a structure of fixed layout in which one byte says what kind of number an
element is; the 16-bit words themselves are the same for ``bfloat16`` and ``uint16``, so NumPy's
capsules are relabelled.
"""

from __future__ import annotations

import ctypes
from typing import Any

__all__ = ["NO_EXCHANGE", "AsWords", "FromWords", "words_as_bfloat16"]

NO_EXCHANGE = (AttributeError, BufferError, RuntimeError, TypeError, ValueError)
"""What libraries raise where an exchange cannot be done; the standard asks for BufferError."""

_UINT, _BFLOAT = 1, 4
"""DLPack's codes for the two kinds of number."""

_NAMES = {b"dltensor": 0, b"dltensor_versioned": 32}
"""Where the tensor starts in the structure of each capsule: after the version's four fields."""

_CODE = 20
"""Where the code is in the tensor, after a pointer, the device and the number of dimensions."""


def _pointer_to(capsule: Any) -> Any:
    """The two bytes for kind and size of an element, or None for an unknown capsule."""
    api = ctypes.pythonapi
    api.PyCapsule_IsValid.argtypes = (ctypes.py_object, ctypes.c_char_p)
    api.PyCapsule_GetPointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    for name, start in _NAMES.items():
        if api.PyCapsule_IsValid(capsule, name):
            address = api.PyCapsule_GetPointer(capsule, name)
            return (ctypes.c_uint8 * 2).from_address(address + start + _CODE)
    return None


def _relabel(capsule: Any, before: int, after: int) -> bool:
    """Change the kind of 16-bit elements, and say whether it was the expected one."""
    label = _pointer_to(capsule)
    if label is None or tuple(label) != (before, 16):
        return False
    label[0] = after
    return True


def words_as_bfloat16(capsule: Any) -> Any:
    """A fresh capsule of ``uint16`` that says ``bfloat16`` instead."""
    _relabel(capsule, _UINT, _BFLOAT)
    return capsule


class AsWords:
    """An array whose capsules say ``uint16`` where they are ``bfloat16``.

    ``found`` tells, after an import, whether that was so.
    """

    def __init__(self, array: Any) -> None:
        self.array = array
        self.found = False

    def __dlpack__(self, **options: Any) -> Any:
        capsule = self.array.__dlpack__(**options)
        self.found = _relabel(capsule, _BFLOAT, _UINT)
        return capsule

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


class FromWords:
    """NumPy's ``uint16``, whose capsules say ``bfloat16``."""

    def __init__(self, words: Any) -> None:
        self.words = words

    def __dlpack__(self, **options: Any) -> Any:
        return words_as_bfloat16(self.words.__dlpack__(**options))

    def __dlpack_device__(self) -> Any:
        return self.words.__dlpack_device__()
