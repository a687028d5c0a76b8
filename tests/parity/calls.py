"""One sample of the operator database, run on torch and on the subject, and compared."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from . import database as db
from .canonical import canonical
from .compare import compare, describe, to_torch_tree
from .convert import Converter, leaves
from .differences import Finding
from .subject import Subject

__all__ = ["Call", "answer", "compare_call", "raised"]


@dataclass
class Call:
    """One sample of one entry: torch's arguments and how to print them."""

    entry: Any
    dtype: str
    sample: Any

    @property
    def arguments(self) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        return self.sample.input, tuple(self.sample.args), dict(self.sample.kwargs)

    def code(self) -> str:
        """``tp.add(float32[5, 5], float32[5], alpha=2)``."""
        value, args, kwargs = self.arguments
        parts = [describe(item) for item in (value, *args)]
        parts += [f"{name}={describe(item)}" for name, item in kwargs.items()]
        return f"tp.{self.entry.name}({', '.join(parts)})"

    def finding(self, check: str, expected: str, got: str) -> Finding:
        name = db.full_name(self.entry)
        return Finding(
            self.entry.name, name, check, self.dtype, self.code(), expected, got, self.arguments
        )


def answer(call: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """The result of a call, or None with the exception it raised."""
    try:
        return call(), None
    except Exception as error:
        return None, error


def raised(error: Exception) -> str:
    """An exception in one line, with the innermost place outside this package."""
    text = " ".join(str(error).split())[:300]
    frames = inspect.getinnerframes(error.__traceback__) if error.__traceback__ else []
    place = f" ({frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text}{place}"


def _wider(value: Any, dtype: torch.dtype, wide: torch.dtype) -> Any:
    """The same arguments in the wider dtype, to compute a result nearer to the truth."""
    if isinstance(value, torch.Tensor):
        return value.to(wide) if value.dtype == dtype else value
    if value is dtype:
        return wide
    if isinstance(value, (list, tuple)):
        return type(value)([_wider(item, dtype, wide) for item in value])
    if isinstance(value, dict):
        return {name: _wider(item, dtype, wide) for name, item in value.items()}
    return value


def _precise(function: Callable[..., Any], call: Call, pick: Callable[[Any], Any]) -> Any:
    """Torch's result computed in double precision; None where that is refused."""
    dtype = getattr(torch, call.dtype)
    wide = torch.complex128 if dtype.is_complex else torch.float64
    value, args, kwargs = (_wider(item, dtype, wide) for item in call.arguments)
    if isinstance(value, torch.Tensor):
        value = value.clone()
    result, error = answer(lambda: function(value, *args, **kwargs))
    return None if error else pick(result)


def compare_call(
    call: Call,
    check: str,
    torch_function: Callable[..., Any],
    subject_function: Callable[..., Any],
    subject: Subject,
    *,
    clone: bool = False,
) -> Finding | None:
    """Run one sample on both sides and compare results, changed arguments and errors.

    Args:
        clone: the call writes into its first argument, so give both sides a copy of it.
    """
    convert = Converter(subject)
    value, args, kwargs = call.arguments
    mine, error = answer(lambda: _converted(convert, call, clone))
    if error is not None:
        return call.finding(check, "these arguments to exist", raised(error))
    if clone:
        value = value.detach().clone()
    versions = {id(t): (t, t._version) for t in leaves(call.arguments, torch.is_tensor)}
    expected, refused = answer(lambda: torch_function(value, *args, **kwargs))
    got, error = answer(lambda: subject_function(mine[0], *mine[1], **mine[2]))
    if refused is not None:
        return None if error else call.finding(check, raised(refused), "no error")
    if error is not None:
        return call.finding(check, describe(expected), raised(error))
    if clone and got is not mine[0]:
        return call.finding(check, "the tensor itself", "another object")
    changed = [t for t, version in versions.values() if t._version != version]
    results = [got, *map(convert, changed)], [expected, *changed]
    return _compare_results(call, check, torch_function, results, subject)


def _converted(convert: Converter, call: Call, clone: bool) -> tuple[Any, Any, Any]:
    value, args, kwargs = convert.call(call.arguments)
    return (value.detach().clone() if clone else value), args, kwargs


def _compare_results(
    call: Call,
    check: str,
    torch_function: Callable[..., Any],
    results: tuple[list[Any], list[Any]],
    subject: Subject,
) -> Finding | None:
    """Compare the results, and the arguments that torch's call wrote into, such as statistics."""
    (got, *changed), (expected, *written) = results
    fields = getattr(type(expected), "__match_args__", ())
    lost = [name for name in fields if not hasattr(got, name)]
    if lost and isinstance(expected, tuple):
        return call.finding(check, f"fields {fields}", f"{type(got).__name__} without {lost}")
    name = call.entry.name
    plain, error = answer(lambda: to_torch_tree(got, subject))
    if error is not None:
        return call.finding(check, describe(expected), raised(error))
    exact = not _unpredictable(call)
    found = compare(to_torch_tree(changed, subject), written, values=exact)
    if found is not None:
        return call.finding(check, f"argument written: {found[0]}", found[1])
    found = compare(plain, expected, values=False)
    if found is None and exact:
        pick = lambda result: canonical(name, result, call.arguments)  # noqa: E731
        found = compare(
            pick(plain), pick(expected), precise=lambda: _precise(torch_function, call, pick)
        )
    return call.finding(check, *found) if found else None


def _unpredictable(call: Call) -> bool:
    """Whether only the form of the result is determined."""
    if call.entry.name in db.RANDOM or call.entry.name in db.UNINITIALISED:
        return True
    return bool(call.sample.kwargs.get("dropout_p", 0.0))
