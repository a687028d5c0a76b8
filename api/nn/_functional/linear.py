"""Linear maps, embeddings and one-hot vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorplug as tp
from tensorplug.autograd.errors import OpError
from tensorplug.autograd.registry import ROWS, function
from tensorplug.autograd.tensor import Tensor

from ._arguments import is_tensor, require, same_dtype, widened
from .loss import cross_entropy

__all__ = [
    "LinearCrossEntropyOptions",
    "bilinear",
    "embedding",
    "linear",
    "linear_cross_entropy",
    "one_hot",
]

_linear = ROWS["linear"].call


@function(
    namespace="nn.functional", row="linear",
    samples=lambda t: [
        (t(4, 3), t(2, 3), t(2)), (t(3), t(2, 3)), (t(2, 0, 3), t(2, 3), t(2)),
        (t(2, 5, 3), t(4, 3)), (t(4, 3), t(3)),
    ],
)  # fmt: skip
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``.

    Args:
        input: shape ``(*, in)``.
        weight: shape ``(out, in)``, or ``(in,)``, of the same dtype.
        bias: shape ``(out,)``, or None.

    Returns:
        Shape ``(*, out)``; ``(*)`` for a weight of one dimension.

    Raises:
        RuntimeError: dtypes or shapes do not fit.

    Example:
        >>> tp.nn.functional.linear(tp.ones(2, 3), tp.ones(1, 3), tp.ones(1)).tolist()
        [[4.0], [4.0]]
    """
    same_dtype("linear", input, weight, bias)
    size, shape = input._h.shape, weight._h.shape
    if len(shape) == 2 and size and size[-1] == shape[1]:
        if bias is None or bias._h.shape == shape[:1]:
            return _linear(input, weight, bias)
        require(
            bias._h.shape in ((), (1,)), "linear", f"a bias of shape ({shape[0]},)",
            tuple(bias._h.shape),
        )  # fmt: skip
        return _linear(input, weight, None) + bias
    if len(shape) == 1 and size and size[-1] == shape[0]:
        out = input @ weight
        return out if bias is None else out + bias
    raise OpError(
        f"linear: expected input of shape (*, in) and weight of shape (out, in), got "
        f"{tuple(size)} and {tuple(shape)}; mat1 and mat2 shapes cannot be multiplied",
        op="linear",
    )


@function(
    namespace="nn.functional",
    samples=lambda t: [(t(4, 3), t(4, 2), t(5, 3, 2), t(5)), (t(3), t(2), t(1, 3, 2))],
)  # fmt: skip
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input1 @ weight[k] @ input2 + bias[k]`` for every ``k``.

    Args:
        input1, input2: shapes ``(*, in1)`` and ``(*, in2)`` with the same leading sizes.
        weight: shape ``(out, in1, in2)``.
        bias: shape ``(out,)``, or None.

    Example:
        >>> F = tp.nn.functional
        >>> F.bilinear(tp.ones(2, 3), tp.ones(2, 4), tp.ones(1, 3, 4)).tolist()
        [[12.0], [12.0]]
    """
    same_dtype("bilinear", input1, input2, weight, bias)
    sizes = tuple(tuple(x._h.shape) for x in (input1, input2, weight))
    require(
        sizes[0][:-1] == sizes[1][:-1] and len(sizes[2]) == 3
        and sizes[2][1:] == (sizes[0][-1], sizes[1][-1]),
        "bilinear", "shapes (*, in1), (*, in2) and (out, in1, in2)", sizes,
    )  # fmt: skip
    dtype = input1._dtype
    input1, input2, weight, bias = widened(input1, input2, weight, bias)
    outer = input1.unsqueeze(-1) * input2.unsqueeze(-2)
    flat = outer.reshape(*sizes[0][:-1], sizes[0][-1] * sizes[1][-1])
    return _linear(flat, weight.reshape(sizes[2][0], -1), bias).to(dtype)


@function(
    namespace="nn.functional", row="embedding",
    samples=lambda t: [
        (t.int((2, 3), 0, 5), t(5, 4)), (t.int((), 0, 5), t(5, 4)),
        (t.int((4,), 0, 5), t(5, 2), 1), (t.int((0,), 0, 5), t(5, 2)),
        (t.int((6,), 0, 3), t(3, 2), {"scale_grad_by_freq": True}),
    ],
)  # fmt: skip
def embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """Rows of a table, by number.

    Args:
        input: integers, any shape.
        weight: the table, shape ``(rows, width)``.
        padding_idx: a row that gets no gradient.
        max_norm: rows that are looked up and longer than this are first scaled down, in place.
        norm_type: which norm ``max_norm`` means.
        scale_grad_by_freq: divide gradients by how often the row is looked up.
        sparse: accepted for compatibility; gradients are always dense.

    Returns:
        Shape ``(*input.shape, width)``.

    Raises:
        IndexError: a number is not one of a row.
        RuntimeError: ``input`` is not of an integer type.

    Example:
        >>> table = tp.tensor([[0.0, 0.0], [1.0, 2.0]])
        >>> tp.nn.functional.embedding(tp.tensor([1, 0]), table).tolist()
        [[1.0, 2.0], [0.0, 0.0]]
    """
    is_tensor("embedding", "input", input)
    is_tensor("embedding", "weight", weight)
    rows = weight._h.shape[0] if len(weight._h.shape) == 2 else 0
    require(len(weight._h.shape) == 2, "embedding", "a weight of 2 dimensions",
            tuple(weight._h.shape), "'weight' must be 2-D")  # fmt: skip
    require(input._dtype.kind in ("int", "uint"), "embedding", "integer indices", input._dtype)
    if padding_idx is not None:
        require(-rows <= padding_idx < rows, "embedding", "padding_idx within the table",
                padding_idx)  # fmt: skip
        padding_idx %= rows
    if max_norm is not None:
        _renorm(input, weight, max_norm, norm_type)
    return ROWS["embedding"].call(weight, input, padding_idx, scale_grad_by_freq)


def _renorm(index: Tensor, weight: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale the rows that are looked up down to ``max_norm``, in place."""
    with tp.no_grad():
        rows = tp.unique(index)
        found = weight[rows]
        norms = tp.linalg.vector_norm(found, norm_type, dim=1, keepdim=True)
        scale = tp.where(norms > max_norm, max_norm / (norms + 1e-7), tp.ones_like(norms))
        weight[rows] = found * scale


@function(
    namespace="nn.functional",
    samples=lambda t: [(t.int((2, 3), 0, 4), 5), (t.int((4,), 0, 3),), (t.int((), 0, 2), 3)],
)  # fmt: skip
def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """Rows with a single 1 at the places given, int64.

    Args:
        input: class numbers, int64, any shape.
        num_classes: the width; -1 for one more than the largest number.

    Returns:
        Shape ``(*input.shape, num_classes)``.

    Raises:
        RuntimeError: a number is negative or too large, or the type is not int64.

    Example:
        >>> tp.nn.functional.one_hot(tp.tensor([0, 2])).tolist()
        [[1, 0, 0], [0, 0, 1]]
    """
    is_tensor("one_hot", "input", input)
    require(input._dtype is tp.int64, "one_hot", "an index tensor of dtype int64", input._dtype)
    if not input.numel():
        require(num_classes > 0, "one_hot", "num_classes for an empty tensor", num_classes,
                "can not infer total number of classes")  # fmt: skip
        return tp.zeros((*input.shape, num_classes), dtype=tp.int64, device=input._device)
    low, high = int(input.min()), int(input.max())
    require(low >= 0, "one_hot", "class values that are not negative", low)
    if num_classes == -1:
        num_classes = high + 1
    require(high < num_classes, "one_hot", f"class values smaller than num_classes={num_classes}",
            high)  # fmt: skip
    classes = tp.arange(num_classes, device=input._device)
    return (input.unsqueeze(-1) == classes).to(tp.int64)


@dataclass(frozen=True)
class LinearCrossEntropyOptions:
    """How PyTorch splits :func:`linear_cross_entropy` into chunks; here it is only kept.

    Example:
        >>> tp.nn.LinearCrossEntropyOptions(batch_chunk_size=64).chunking_method
        'auto'
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None


@function(
    namespace="nn.functional",
    samples=lambda t: [
        (t(4, 3), t(5, 3), t.int((4,), 0, 5)),
        (t(4, 3), t(5, 2, 3), t.int((4, 2), 0, 5), {"linear_bias": t(5, 2)}),
    ],
)  # fmt: skip
def linear_cross_entropy(
    input: Tensor, linear_weight: Tensor, target: Tensor, *, linear_bias: Tensor | None = None,
    weight: Tensor | None = None, reduction: str = "mean", ignore_index: int | None = None,
    label_smoothing: float = 0.0, options: Any = None,
) -> Tensor:  # fmt: skip
    """:func:`cross_entropy` of the scores that :func:`linear` gives.

    Args:
        input: shape ``(N, in)`` or ``(in,)``.
        linear_weight: shape ``(C, *, in)``; the scores are then ``(N, C, *)``.
        target: class numbers or probabilities, as for :func:`cross_entropy`.
        linear_bias: shape ``(C, *)``, or None.
        weight, reduction, label_smoothing: as for :func:`cross_entropy`.
        ignore_index: class numbers of this value do not count; -100 when None.
        options: accepted for compatibility.

    Raises:
        RuntimeError: ``ignore_index`` is given with probabilities, or shapes do not fit.

    Differs from torch: scores are always worked out whole, whatever the options say.

    Example:
        >>> x, w = tp.ones(1, 3), tp.zeros(2, 3)
        >>> round(tp.nn.functional.linear_cross_entropy(x, w, tp.tensor([0])).item(), 4)
        0.6931
    """
    name = "linear_cross_entropy"
    same_dtype(name, input, linear_weight, linear_bias)
    is_tensor(name, "target", target)
    require(ignore_index is None or not target._dtype.is_floating_point, name,
            "no ignore_index with a target of probabilities", ignore_index)  # fmt: skip
    shape = tuple(linear_weight._h.shape)
    require(len(shape) > 1, name, "a linear_weight of shape (C, *, in)", shape)
    require(len(shape) == 2 or input.dim() == 2, name,
            "a batched input, (N, in), for a linear_weight of more than 2 dimensions",
            tuple(input._h.shape))  # fmt: skip
    flat = linear_weight.reshape(-1, shape[-1])
    scores = linear(input, flat, None if linear_bias is None else linear_bias.reshape(-1))
    scores = scores.reshape(*scores._h.shape[:-1], *shape[:-1])
    ignore = -100 if ignore_index is None else ignore_index
    return cross_entropy(
        scores, target, weight, ignore_index=ignore, reduction=reduction,
        label_smoothing=label_smoothing,
    )  # fmt: skip
