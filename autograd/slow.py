"""Everything that the call paths leave out: numbers, mixed types, ``out=``, argument checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..backends import dtypes
from ..backends.dtypes import DType, category
from . import errors
from .inplace import write_out
from .modes import GRAD_MODE
from .node import Plan
from .record import hang, keep, keep_output, record
from .tensor import Tensor, default_dtype_of, edge, make

if TYPE_CHECKING:
    from .registry import Row

__all__ = ["binary", "numbers", "promote_all", "result_type", "to_kind", "unary", "write_out"]

_NUMBERS: tuple[type[Any], ...] = (bool, int, float, complex)

as_tensor: list[Callable[..., Tensor]] = []
"""Set by the api: turns what is no tensor (arrays of other libraries) into one."""


def number(value: Any) -> bool:
    """Whether ``value`` is a Python number, the kind that promotes weakly."""
    return type(value) in _NUMBERS or isinstance(value, _NUMBERS)


def operand(row: Row, value: Any, device: Any) -> Any:
    """A tensor or a Python number for an elementwise op.

    Raises:
        TypeError: it is neither and no array of a known library.
    """
    if type(value) is Tensor:
        return value
    if number(value):
        for kind in _NUMBERS:  # numpy's float64 is a float too: use the plain number
            if isinstance(value, kind):
                return kind(value)
    if hasattr(value, "__array__") or hasattr(value, "__dlpack__"):
        return as_tensor[0](value, device=device)
    raise errors.OpTypeError(
        f"{row.name}: expected tensors or numbers, got {type(value).__name__}; "
        "convert it with tp.tensor(...)",
        op=row.name,
    )


def result_type(*values: Any) -> DType:
    """The promoted type of tensors, dtypes and (weak) Python numbers."""
    found: DType | None = None
    weakest: Any = None
    for value in values:
        dtype = getattr(value, "_dtype", value if isinstance(value, DType) else None)
        if dtype is not None:
            found = dtype if found is None or found is dtype else dtypes.promote(found, dtype)
        elif value is not None:
            kind = default_dtype_of(value)
            if weakest is None or category(kind) > category(weakest):
                weakest = kind
    if found is None or weakest is None:
        return found if weakest is None else weakest  # type: ignore[return-value]  # one is set
    if category(weakest) <= category(found):
        return found
    if weakest.is_complex:
        return found.to_complex() if found.is_inexact else dtypes.default_complex()
    return weakest


def cast(x: Tensor, dtype: DType) -> Tensor:
    """``x`` in another type, recorded; ``x`` itself when it has it."""
    return x if x._dtype is dtype else CAST[0](x, dtype)


CAST: list[Callable[..., Tensor]] = []
"""The cast op's call path; set where the op is declared, because it is an op like any other."""


def to_kind(row: Row, *tensors: Tensor) -> Any:
    """Tensors of one type, cast to what the row computes in.

    Raises:
        RuntimeError: the row does not take the type.
    """
    dtype = tensors[0]._dtype
    compute = row.dtype.compute(dtype)
    if compute is None:
        raise errors.wrong_dtype(row, dtype)
    cast_all = tuple(cast(x, compute) for x in tensors)
    return cast_all if len(tensors) > 1 else cast_all[0]


def unary(row: Row, input: Any, out: Any) -> Any:
    """The rest of :func:`tensorplug.autograd.calls.unary`."""
    if type(input) is not Tensor:
        input = _tensor(row, "input", input)
    if row.dtypes.get(input._dtype) is None:
        input = to_kind(row, input)
    result = row.call(input)
    return result if out is None else write_out(row.name, out, result)


def _tensor(row: Row, name: str, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if hasattr(value, "__array__") or hasattr(value, "__dlpack__"):
        return as_tensor[0](value)
    raise errors.OpTypeError(
        f"{row.name}: expected {name} to be a tensor, got {type(value).__name__}; "
        "make one with tp.tensor(...)",
        op=row.name,
    )


def binary(row: Row, input: Any, other: Any, out: Any) -> Any:
    """The rest of :func:`tensorplug.autograd.calls.binary`."""
    device = getattr(input, "_device", None) or getattr(other, "_device", None)
    x, y = operand(row, input, device), operand(row, other, device)
    if type(x) is Tensor and type(y) is Tensor:
        errors.check_devices(row.name, (x, y))
    elif device is None:
        x = _tensor(row, "input", x)
    dtype = row.dtype.compute(result_type(x, y))
    if dtype is None:
        raise errors.wrong_dtype(row, result_type(x, y))
    x = cast(x, dtype) if type(x) is Tensor else x
    y = cast(y, dtype) if type(y) is Tensor else y
    if type(x) is Tensor and type(y) is Tensor:
        result = row.call(x, y)
    else:
        result = numbers(row, (x, y), dtype)
    return result if out is None else write_out(row.name, out, result)


def numbers(row: Row, inputs: tuple[Any, ...], dtype: DType) -> Tensor:
    """An elementwise op on tensors of type ``dtype`` and Python numbers."""
    device = next(x._device for x in inputs if type(x) is Tensor)
    F = device.F
    raw = tuple(x._h if type(x) is Tensor else F.scalar(x, dtype) for x in inputs)
    kernel = row.kernels[device]
    try:
        handle = kernel(*raw)
    except Exception as error:
        handle = errors.recover(row, error, inputs, kernel, raw)
    result = make(handle, row.dtype.result(dtype), device)
    if result._dtype.is_inexact and tracked(inputs) and GRAD_MODE.get():
        record(row, result, inputs, ())
    return result


def promote_all(row: Row, values: tuple[Any, ...]) -> tuple[tuple[Any, ...], DType]:
    """Tensors cast to their common type, numbers as they are; and that type."""
    dtype = row.dtype.compute(result_type(*values))
    if dtype is None:
        raise errors.wrong_dtype(row, result_type(*values))
    return tuple(cast(x, dtype) if type(x) is Tensor else x for x in values), dtype


# --- the generic call path ------------------------------


def inputs(row: Row, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Check and, where the row's kind says so, promote the inputs."""
    if len(values) == 1 and type(values[0]) is Tensor and values[0]._dtype in row.dtypes:
        return values  # the common case of rows with attributes: nothing to promote
    if row.variadic:
        values = (list(values[0]),)
        errors.check_devices(row.name, values[0])
        for x in values[0]:
            if type(x) is not Tensor:
                _tensor(row, "every item", x)
        return values
    errors.check_devices(row.name, values)
    if row.dtype is not None:
        values, _ = promote_all(row, values)
    return values


def device(values: tuple[Any, ...]) -> Any:
    """The device of the first tensor."""
    for x in values:
        if type(x) is Tensor:
            return x._device
        if type(x) is list and x:
            return x[0]._device
    raise errors.OpTypeError("expected a tensor among the arguments, got none")


def raw(value: Any) -> Any:
    """The handle of a tensor, the handles of a list, anything else as it is."""
    if type(value) is Tensor:
        return value._h
    return [x._h for x in value] if type(value) is list else value


def tracked(values: tuple[Any, ...]) -> bool:
    """Whether any tensor among the values may need a gradient."""
    for x in values:
        if type(x) is Tensor:
            if x._track:
                return True
        elif type(x) is list:
            for item in x:
                if item._track:
                    return True
    return False


def record_generic(row: Row, outs: Any, inputs: tuple[Any, ...], attrs: tuple[Any, ...]) -> None:
    """Record a row with any signature; outputs of whole-number types stay unrecorded."""
    if type(outs) is Tensor:
        if not outs._dtype.is_inexact:
            return
    elif not any(out is not None and out._dtype.is_inexact for out in outs):
        return
    if row.variadic:
        _record_list(row, outs, inputs[0], attrs)
    else:
        record(row, outs, inputs, attrs)


def _record_list(row: Row, outs: Any, items: list[Tensor], attrs: tuple[Any, ...]) -> None:
    parents = tuple(edge(x) for x in items)
    if not any(parent is not None for parent in parents):
        return
    plan = row.plans.get(1) or row.plans.setdefault(1, Plan(row, 1))
    node: Any = object.__new__(plan.node_type)
    node.parents, node.hooks = parents, None
    if attrs:
        node.attrs = attrs
    node.meta = (tuple(x._h.shape for x in items), tuple(x._dtype for x in items))
    node.count = len(items)
    holders = list(items) if any(code >= 0 for code in plan.saves) else []
    results = (outs,) if type(outs) is Tensor else outs
    kept = [results[-1 - code] for code in plan.saves if code < 0]
    node.saved = (*map(keep, holders), *map(keep_output, kept))
    hang(node, outs)
