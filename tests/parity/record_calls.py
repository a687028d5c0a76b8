"""Write down calls and what PyTorch gives for them, for the conformance suite.

Run ``.venv/bin/python -m tests.parity.record_calls`` from the project's root, where PyTorch is
installed. Which calls, ``recordable`` says. What tensorplug does differently on purpose
(``differences.toml``) is left out, and printed: the cpu device decides.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

import tensorplug as tp
from tensorplug.conformance import recorded_calls
from tensorplug.conformance.recorded_calls import RecordedCall
from tensorplug.conformance.replayed import (
    problem_of_call,
    problem_of_gradients,
    problem_of_refusal,
)
from tensorplug.conformance.samples import Case

from . import database as db
from .convert import leaves, to_torch, torch_numpy
from .recordable import COUNT, LARGEST, Unrecordable, bad_calls, calls, named, plain, smooth

FILE = Path(recorded_calls.__file__).parent / "data" / "calls.npz"


class Pools:
    """Arrays of the file, by type."""

    def __init__(self) -> None:
        self.parts: dict[str, list[np.ndarray]] = {}
        self.sizes: Counter[str] = Counter()
        self.known: dict[tuple[str, bytes], int] = {}

    def add(self, array: np.ndarray) -> list[Any]:
        """The array's pool, place and shape."""
        name = str(array.dtype)
        key = (name, array.tobytes())
        if key not in self.known:
            self.known[key] = self.sizes[name]
            self.parts.setdefault(name, []).append(array.reshape(-1))
            self.sizes[name] += array.size
        return [name, self.known[key], list(array.shape)]


def encoded(value: Any, pools: Pools) -> Any:
    """The words of the file, which ``recorded_calls`` reads."""
    if isinstance(value, np.ndarray):
        return {"array": pools.add(value)}
    if isinstance(value, tuple):
        return {"tuple": [encoded(item, pools) for item in value]}
    if isinstance(value, list):
        return [encoded(item, pools) for item in value]
    if isinstance(value, dict):
        return {"dict": {name: encoded(item, pools) for name, item in value.items()}}
    if isinstance(value, slice):
        return {"slice": [value.start, value.stop, value.step]}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    return {"dtype": value.name} if isinstance(value, tp.dtype) else value


# --- what PyTorch gives ---------------------------------------------------------------------------


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)


def _array(value: torch.Tensor) -> np.ndarray:
    dense = torch.zeros(value.shape, dtype=value.dtype) + value  # some gradients are sparse
    return np.array(torch_numpy(dense), order="C", copy=True)


def gradients(call: Any, results: Any, entry: Any) -> Any:
    """PyTorch's gradients; None where it has none, or wraps the function to have some."""
    every = [x for x in leaves(list(call), _is_tensor) if x.is_floating_point() or x.is_complex()]
    inputs = [x for x in every if x.requires_grad]
    outs = [x for x in leaves(results, _is_tensor) if x.requires_grad]
    plainly = getattr(entry.gradcheck_wrapper, "__name__", "") == "<lambda>"
    if not inputs or not outs or not plainly or not entry.supports_autograd:
        return None
    seeds = [to_torch(recorded_calls.cotangent(tuple(x.shape), torch_numpy(x).dtype)) for x in outs]
    try:
        found = torch.autograd.grad(outs, inputs, seeds, allow_unused=True)
    except (RuntimeError, IndexError):
        return None
    arrays = [None if g is None else _array(g) for g in found]
    if not all(np.isfinite(a).all() for a in arrays if a is not None):
        return None
    return [arrays.pop(0) if x.requires_grad else False for x in every]


def _asked(function: Any, call: Any) -> tuple[Any, Any]:
    """The result, differentiable by all floats among the arguments where that can be."""
    if any(x.requires_grad for x in leaves(list(call), _is_tensor)):
        every = smooth(call)
        with suppress(Exception):  # some argument has no gradient
            return every, function(*every[0], **every[1])
    return call, function(*call[0], **call[1])


def recorded(entry: Any, function: Any, call: Any) -> RecordedCall:
    """A call with what PyTorch gives.

    Raises:
        Unrecordable: random numbers are drawn, or it is too large.
    """
    arrays: list[np.ndarray] = []
    given = plain(call, arrays)
    before = torch.get_rng_state()
    try:
        call, results = _asked(function, call)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        return RecordedCall(given[0], given[1], None, None, type(error).__name__)
    except Exception as error:  # an assert is no way to refuse
        raise Unrecordable(str(error)) from error
    if not torch.equal(before, torch.get_rng_state()):
        raise Unrecordable("random")
    gave, back = plain(results, arrays), gradients(call, results, entry)
    size = sum(a.size for a in arrays) + sum(getattr(g, "size", 0) for g in back or ())
    if size > 2 * LARGEST:
        raise Unrecordable(f"{size} elements")
    return RecordedCall(given[0], given[1], gave, back, "")


def difference(check: Any, case: Case, call: RecordedCall) -> str:
    """What tensorplug's cpu does differently, if anything."""
    try:
        return check(case, call, "cpu") or ""
    except Exception as error:
        return f"{case!r}: {type(error).__name__}: {error}"


def kept(entry: Any, function: Any, case: Case, given: Any, left: Counter[str]) -> Iterator[Any]:
    """The calls to keep, of those given."""
    for call in given:
        if case.public.qualname.startswith("Tensor.") and not _is_tensor(call[0][0]):
            continue
        try:
            found = recorded(entry, function, call)
        except Unrecordable:
            continue
        check = problem_of_refusal if found.refused else problem_of_call
        problem = difference(check, case, found)
        if problem:
            say(f"left out: {problem}")
            left["differ"] += 1
            continue
        problem = difference(problem_of_gradients, case, found)
        if problem:
            say(f"without gradients: {problem}")
            found = found._replace(gradients=None)
        yield found


def say(line: str) -> None:
    """Print."""
    sys.stdout.write(f"{line}\n")


def main() -> int:
    """Write the file; say what was left out."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    pools, left = Pools(), Counter[str]()
    written: dict[str, dict[str, list[Any]]] = {}
    for entry in sorted(db.op_db, key=db.full_name):
        found = named(entry)
        if found is None:
            left[f"without a counterpart: {db.full_name(entry)}"] += 1
            continue
        name, function = found
        for dtype in (*db.dtypes(entry, COUNT), None):
            typed = getattr(tp, str(dtype or torch.float32).removeprefix("torch."))
            case = Case(recorded_calls.public_of(name), typed)
            given = bad_calls(entry) if dtype is None else calls(entry, dtype)
            for call in kept(entry, function, case, given, left):
                if dtype is None and not call.refused:
                    continue
                parts = [encoded(part, pools) for part in (list(call.args), *call[1:])]
                written.setdefault(name, {}).setdefault(typed.name, []).append(parts)
    text = json.dumps({"torch": torch.__version__.partition("+")[0], "calls": written})
    arrays = {name: np.concatenate(parts) for name, parts in pools.parts.items()}
    np.savez_compressed(FILE, calls=np.frombuffer(text.encode(), np.uint8), **arrays)
    total = [call for by_type in written.values() for group in by_type.values() for call in group]
    refused = sum(bool(call[-1]) for call in total)
    say(f"{len(total)} calls of {len(written)} functions, {refused} of them refused")
    for what, count in left.items():
        say(f"{count} {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
