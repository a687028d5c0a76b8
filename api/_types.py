"""Questions about types, and the constructors named after them: ``FloatTensor``, ``Tensor``."""

from __future__ import annotations

from typing import Any

from ._arguments import sizes
from ._creation import as_tensor, device_of, tensor
from .autograd import slow
from .autograd.errors import OpError, OpTypeError
from .autograd.tensor import Size, Tensor, make
from .backends import dtypes
from .backends.dtypes import DType, category

__all__ = [
    "LEGACY", "can_cast", "get_default_dtype", "is_complex", "is_floating_point", "is_tensor",
    "numel", "promote_types", "result_type", "set_default_dtype", "set_default_tensor_type",
]  # fmt: skip


def is_tensor(obj: Any) -> bool:
    """Whether ``obj`` is a tensor.

    Example:
        >>> tp.is_tensor(tp.zeros(2)), tp.is_tensor([0.0])
        (True, False)
    """
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are of a floating-point type."""
    return input._dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """Whether the elements are complex."""
    return input._dtype.is_complex


def numel(input: Tensor) -> int:
    """The number of elements."""
    if not isinstance(input, Tensor):
        raise OpTypeError(f"numel: expected a tensor, got {type(input).__name__}", op="numel")
    return Size(input._h.shape).numel()


def result_type(tensor1: Any, tensor2: Any) -> DType:
    """The type that an operation on two tensors or numbers computes in.

    Differs from torch: 0-d tensors count like all others; only Python numbers are weak.

    Example:
        >>> tp.result_type(tp.zeros(2, dtype=tp.int32), 1.0)
        tensorplug.float32
    """
    return slow.result_type(tensor1, tensor2)


def promote_types(type1: DType, type2: DType) -> DType:
    """The smallest type that holds the values of both.

    Raises:
        TypeError: an argument is no dtype.
    """
    if not isinstance(type1, DType) or not isinstance(type2, DType):
        raise OpTypeError(f"promote_types: expected two dtypes, got {type1!r} and {type2!r}")
    return dtypes.promote(type1, type2)


def can_cast(from_: DType, to: DType) -> bool:
    """Whether in-place operations may store values of one type in another.

    Example:
        >>> tp.can_cast(tp.float64, tp.float32), tp.can_cast(tp.float32, tp.int64)
        (True, False)
    """
    return category(from_) <= category(to)


def get_default_dtype() -> DType:
    """The type of Python floats: float32 unless changed."""
    return dtypes.default_float()


def set_default_dtype(d: DType) -> None:
    """Set the type of Python floats.

    Raises:
        TypeError: ``d`` is not a floating-point type.
    """
    dtypes.set_default_float(d)


# --- legacy constructors ----------------------------------------------------------------------

_NAMES = {
    "FloatTensor": dtypes.float32, "DoubleTensor": dtypes.float64, "HalfTensor": dtypes.float16,
    "BFloat16Tensor": dtypes.bfloat16, "LongTensor": dtypes.int64, "IntTensor": dtypes.int32,
    "ShortTensor": dtypes.int16, "CharTensor": dtypes.int8, "ByteTensor": dtypes.uint8,
    "BoolTensor": dtypes.bool_, "ComplexFloatTensor": dtypes.complex64,
    "ComplexDoubleTensor": dtypes.complex128, "UInt16Tensor": dtypes.uint16,
    "UInt32Tensor": dtypes.uint32, "UInt64Tensor": dtypes.uint64,
}  # fmt: skip
_NAME_OF = {dtype: name for name, dtype in _NAMES.items()}


class TensorType(type):
    """The class of ``tp.FloatTensor`` and its relatives, which have no instances of their own."""

    dtype: DType

    def __call__(cls, *args: Any, device: Any = None) -> Tensor:
        return construct(cls.__name__, cls.dtype, args, device)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and instance._dtype is cls.dtype


def construct(name: str, dtype: DType, args: tuple[Any, ...], device: Any) -> Tensor:
    """``FloatTensor(2, 3)`` (sizes), ``FloatTensor([1, 2])`` (data) or ``FloatTensor(tensor)``.

    Raises:
        TypeError: the one argument is neither.
    """
    if (len(args) == 1 and not hasattr(args[0], "__index__")) or _is_data(args):
        data = args[0]
        if type(data) is not Size:
            if isinstance(data, (float, complex)):
                raise OpTypeError(f"{name}: expected sizes or data, got {data!r}; use tp.tensor")
            return tensor(data, dtype=dtype, device=device)
        args = tuple(data)
    where = device_of(device)
    if not args:
        args = (0,)
    return make(where.F.empty(sizes(name, args), dtype), dtype, where)


def _is_data(args: tuple[Any, ...]) -> bool:
    # Tensors and arrays have __index__ too.
    return len(args) == 1 and (isinstance(args[0], Tensor) or hasattr(args[0], "__array__"))


LEGACY: dict[str, Any] = {
    name: TensorType(name, (), {"dtype": dtype, "__doc__": f"Constructs tensors of {dtype}."})
    for name, dtype in _NAMES.items()
}
"""``tp.FloatTensor`` and so on, by name."""


def legacy(*args: Any, **kwargs: Any) -> Tensor:
    """``tp.Tensor(...)``: sizes, or data of the default float type."""
    if len(args) == 1 and isinstance(args[0], Tensor):
        return args[0].detach()
    return construct("Tensor", dtypes.default_float(), args, kwargs.get("device"))


def set_default_tensor_type(t: Any) -> None:
    """Set the default float type by the name of a legacy constructor, such as ``FloatTensor``."""
    set_default_dtype(_type_of(t))


def _type_of(dtype: Any) -> DType:
    """A dtype from one, from ``"torch.FloatTensor"`` or from ``tp.FloatTensor``."""
    if isinstance(dtype, DType):
        return dtype
    if isinstance(dtype, TensorType):
        return dtype.dtype
    found = _NAMES.get(str(dtype).rpartition(".")[2])
    if found is None:
        raise OpError(f"type: expected a dtype or a name such as 'tensorplug.FloatTensor', got "
                      f"{dtype!r}; invalid type", op="type")  # fmt: skip
    return found


def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The name of the tensor's type without argument, else the tensor in another type.

    Example:
        >>> tp.zeros(2).type()
        'tensorplug.FloatTensor'
    """
    if dtype is None:
        place = "" if self._device.type == "cpu" else f"{self._device.type}."
        return f"tensorplug.{place}{_NAME_OF[self._dtype]}"
    return as_tensor(self, dtype=_type_of(dtype))
