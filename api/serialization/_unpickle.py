"""Reading pickles without running what they ask for.

A pickle is a program: it names functions and calls them. Here it may name only what is on a list,
call only that, and set attributes of nothing but ordered dicts and classes that the user trusts.
Everything else is refused by its name.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = [
    "DAMAGE",
    "PLAIN",
    "add_safe_globals",
    "clear_safe_globals",
    "get_safe_globals",
    "read_pickle",
    "safe_globals",
]

_vouched: dict[str, Any] = {}


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Let :func:`tensorplug.load` make objects of these classes from any file.

    Args:
        safe_globals: classes or functions, or pairs of one and the name that files have for it,
            such as ``(MyConfig, "old_module.MyConfig")``. Loading may call them with any arguments.

    Example:
        >>> import fractions
        >>> tp.serialization.add_safe_globals([fractions.Fraction])
        >>> tp.serialization.get_safe_globals()
        [<class 'fractions.Fraction'>]
        >>> tp.serialization.clear_safe_globals()
    """
    for item in safe_globals:
        value, name = item if isinstance(item, tuple) else (item, None)
        _vouched[name or f"{value.__module__}.{value.__qualname__}"] = value


def get_safe_globals() -> list[Any]:
    """What :func:`add_safe_globals` was given so far."""
    return list(_vouched.values())


def clear_safe_globals() -> None:
    """Trust no classes but those of plain data."""
    _vouched.clear()


@contextmanager
def safe_globals(safe_globals: list[Any]) -> Iterator[None]:
    """:func:`add_safe_globals` for the length of a ``with`` block."""
    before = dict(_vouched)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _vouched.clear()
        _vouched.update(before)


def _encode(text: str, encoding: str) -> bytes:
    """How protocol 2 writes bytes: as text, to be encoded."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"expected the encoding latin1, got {encoding!r}")
    return text.encode("latin1")


PLAIN: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "collections.Counter": Counter,
    "_codecs.encode": _encode,
    "builtins.set": set,
    "builtins.frozenset": frozenset,
    "builtins.bytearray": bytearray,
    "builtins.complex": complex,
}
"""What pickles of plain data ask for."""


def read_pickle(
    content: bytes,
    name: str,
    known: Mapping[str, Any],
    persistent: Callable[[Any], Any],
    weights_only: bool,
) -> Any:
    """The object in a pickle.

    Args:
        content: the pickle.
        name: the file's, for errors.
        known: what to use for the names in it.
        persistent: makes what the pickle refers to, the tensors.
        weights_only: whether names that are not in ``known`` are refused, or imported.

    Raises:
        pickle.UnpicklingError: it asks for something that is not data; the text says what.
        ValueError: it is damaged.
    """
    kind = _Restricted if weights_only else _Trusting
    try:
        return kind(content, name, known, persistent).load()
    except (pickle.UnpicklingError, MemoryError, RecursionError) as error:
        if isinstance(error, UnsafePickleError):
            raise
        raise ValueError(
            f"load: expected a checkpoint, got {name}, whose pickle {error}"
        ) from error
    except DAMAGE as error:
        if not weights_only:  # may come from the code that runs
            raise
        raise ValueError(
            f"load: expected a checkpoint, got {name}, whose pickle is damaged "
            f"({type(error).__name__}: {error})"
        ) from error


DAMAGE = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, TypeError, ValueError,
    struct.error,
)  # fmt: skip
"""What pickle's machine raises over nonsense."""


class UnsafePickleError(pickle.UnpicklingError):
    """The pickle asks for something that is not on the list."""


_Machine: Any = pickle._Unpickler  # in Python, so that single steps can be replaced


class _Trusting(_Machine):  # type: ignore[misc]  # untyped
    """Imports and runs what the pickle asks for, except that tensors are ours."""

    def __init__(
        self,
        content: bytes,
        name: str,
        known: Mapping[str, Any],
        persistent: Callable[[Any], Any],
    ) -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8")
        self._name, self._known = name, known
        self._granted: list[Any] = []
        self.persistent_load = persistent

    def find_class(self, module: str, name: str) -> Any:
        module = {"__builtin__": "builtins"}.get(module, module)
        asked = f"{module}.{name}"
        for names in (self._known, _vouched):
            if asked in names:
                self._granted.append(names[asked])
                return names[asked]
        if module.partition(".")[0] == "torch":
            raise UnsafePickleError(
                f"load: expected tensors and plain data, got {self._name}, which asks for {asked}, "
                "a part of PyTorch that has no counterpart here; save a state dict, "
                "model.state_dict(), instead of the object"
            )
        return self._unknown(asked, module, name)

    def _unknown(self, asked: str, module: str, name: str) -> Any:
        return super().find_class(module, name)


class _Restricted(_Trusting):
    """Makes only what is on the list."""

    dispatch = {  # noqa: RUF012 - the name is pickle's
        key: step
        for key, step in _Machine.dispatch.items()
        # Objects of old-style classes, and names by number: no checkpoint has them.
        if key not in b"io\x82\x83\x84P"
    }

    def load(self) -> Any:
        try:
            return super().load()
        except KeyError as error:
            if error.args and isinstance(error.args[0], int) and error.args[0] in _REMOVED:
                raise self._refusal(f"the pickle instruction {_REMOVED[error.args[0]]}") from None
            raise

    def _unknown(self, asked: str, module: str, name: str) -> Any:
        raise self._refusal(asked)

    def _refusal(self, asked: str) -> UnsafePickleError:
        return UnsafePickleError(
            f"load: expected tensors and plain data, got {self._name}, which asks for {asked}: "
            "that may run any code. If you trust the file, allow the class with "
            "tp.serialization.add_safe_globals, or load with weights_only=False"
        )

    def _check(self, called: Any) -> None:
        if not any(called is granted for granted in self._granted):
            raise self._refusal(f"a call of {called!r}"[:200])

    def load_reduce(self) -> None:
        self._check(self.stack[-2])
        super().load_reduce()

    def load_newobj(self) -> None:
        self._check(self.stack[-2])
        super().load_newobj()

    def load_newobj_ex(self) -> None:
        self._check(self.stack[-3])
        super().load_newobj_ex()

    def load_build(self) -> None:
        value, state = self.stack[-2], self.stack[-1]
        if type(value) in (OrderedDict, Counter) and type(state) is dict:
            vars(value).update(state)
            del self.stack[-1]
        elif type(value) in _vouched.values():
            super().load_build()
        else:
            raise self._refusal(f"setting attributes of {type(value).__name__}")

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex
    dispatch[pickle.BUILD[0]] = load_build


_REMOVED = {
    pickle.INST[0]: "INST", pickle.OBJ[0]: "OBJ", pickle.PERSID[0]: "PERSID",
    pickle.EXT1[0]: "EXT1", pickle.EXT2[0]: "EXT2", pickle.EXT4[0]: "EXT4",
}  # fmt: skip
