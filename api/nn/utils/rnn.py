"""Batches of sequences of different lengths: padding them, and packing away the padding."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence",
    "pad_packed_sequence", "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """Sequences without padding: step by step, the elements of all sequences that are as long.

    Made by :func:`pack_padded_sequence` and :func:`pack_sequence`; recurrent layers take and give
    it. Sequences are in the order of falling length.

    Args:
        data: shape ``(sum of lengths, *)``.
        batch_sizes: how many elements each step has, int64 on the CPU.
        sorted_indices: where the sequences were before they were sorted (None: as they are).
        unsorted_indices: the inverse; found from ``sorted_indices`` when None.

    Example:
        >>> packed = tp.nn.utils.rnn.pack_sequence([tp.tensor([1, 2]), tp.tensor([3])])
        >>> packed.data.tolist(), packed.batch_sizes.tolist()
        ([1, 3, 2], [2, 1])
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if batch_sizes is None:  # PackedSequence((data, batch_sizes)), an old form
            data, batch_sizes = data
        if batch_sizes.device.type != "cpu":
            raise ValueError(
                f"PackedSequence: expected batch_sizes on the CPU, got {batch_sizes.device}; "
                "they are sizes that the program reads: move them with .cpu()"
            )
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with ``data.to(...)``; the indices move to the device, not to the dtype."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        indices = [None if x is None else x.to(data.device) for x in self[2:]]
        return PackedSequence(data, self.batch_sizes, *indices)

    def cpu(self) -> PackedSequence:
        """The same on the CPU."""
        return self.to("cpu")

    def cuda(self, device: Any = None, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same on a CUDA device."""
        if device is None or isinstance(device, int):
            device = f"cuda:{device or 0}"
        return self.to(device, *args, **kwargs)

    def double(self) -> PackedSequence:
        """The same in float64."""
        return self.to(tp.float64)

    def float(self) -> PackedSequence:
        """The same in float32."""
        return self.to(tp.float32)

    def half(self) -> PackedSequence:
        """The same in float16."""
        return self.to(tp.float16)

    def long(self) -> PackedSequence:
        """The same in int64."""
        return self.to(tp.int64)

    def int(self) -> PackedSequence:
        """The same in int32."""
        return self.to(tp.int32)

    def short(self) -> PackedSequence:
        """The same in int16."""
        return self.to(tp.int16)

    def char(self) -> PackedSequence:
        """The same in int8."""
        return self.to(tp.int8)

    def byte(self) -> PackedSequence:
        """The same in uint8."""
        return self.to(tp.uint8)

    def pin_memory(self) -> PackedSequence:
        """Itself: no backend needs pinned memory."""
        return self

    def is_pinned(self) -> bool:
        """Whether the data are in pinned memory."""
        return False

    @property
    def is_cuda(self) -> bool:
        """Whether the data are on a CUDA device."""
        return self.data.device.type == "cuda"


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes one; None for None.

    Example:
        >>> tp.nn.utils.rnn.invert_permutation(tp.tensor([2, 0, 1])).tolist()
        [1, 2, 0]
    """
    return None if permutation is None else tp.argsort(permutation)


def _places(lengths: Tensor, steps: int, by_sequence: bool, device: Any) -> Tensor:
    """Where packed elements lie in a padded batch whose first two dimensions are made one.

    Those two are ``(steps, batch)``, or ``(batch, steps)`` when ``by_sequence``.
    """
    step, sequence = (tp.arange(steps, device="cpu")[:, None] < lengths).nonzero(as_tuple=True)
    if by_sequence:
        found = sequence * steps + step
    else:
        found = step * lengths.shape[0] + sequence
    return found.to(device)


def pack_padded_sequence(
    input: Tensor,
    lengths: Tensor | list[int],
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:
    """Take the padding out of a batch.

    Args:
        input: shape ``(T, B, *)``, or ``(B, T, *)`` when ``batch_first``.
        lengths: of the ``B`` sequences, each from 1 to ``T``.
        batch_first: which dimension is which.
        enforce_sorted: the sequences are in the order of falling length already, which is
            checked; otherwise they are sorted here, and layers undo that in what they return.

    Raises:
        RuntimeError: the lengths do not fit, or are not sorted.

    Example:
        >>> x = tp.tensor([[1, 3], [2, 0]])
        >>> tp.nn.utils.rnn.pack_padded_sequence(x, [2, 1]).data.tolist()
        [1, 3, 2]
    """
    known = lengths.cpu() if isinstance(lengths, Tensor) else tp.tensor(lengths, device="cpu")
    known = known.to(tp.int64)
    steps, batch = input.shape[:2][::-1] if batch_first else input.shape[:2]
    found = known.tolist()
    _check_lengths(found, batch, steps)
    order = None
    if enforce_sorted:
        if any(one < other for one, other in pairwise(found)):
            raise RuntimeError(
                f"pack_padded_sequence: expected lengths in falling order, got {found}; "
                "pass enforce_sorted=False to have the sequences sorted"
            )
    else:
        order = known.argsort(descending=True, stable=True)
        known, order = known[order], order.to(input.device)
        input = input.index_select(0 if batch_first else 1, order)
    steps = max(found)
    input = input[:, :steps] if batch_first else input[:steps]
    flat = input.reshape(steps * batch, *input.shape[2:])
    data = flat.index_select(0, _places(known, steps, batch_first, input.device))
    sizes = (tp.arange(steps, device="cpu")[:, None] < known).sum(1)
    return PackedSequence(data, sizes, order)


def _check_lengths(lengths: list[int], batch: int, steps: int) -> None:
    if len(lengths) != batch:
        raise RuntimeError(
            f"pack_padded_sequence: expected {batch} lengths, one for each sequence of the batch, "
            f"got {len(lengths)}; is batch_first right?"
        )
    if not lengths or min(lengths) <= 0 or max(lengths) > steps:
        raise RuntimeError(
            f"pack_padded_sequence: expected lengths from 1 to {steps}, got {lengths}"
        )


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The padded batch that :func:`pack_padded_sequence` was made from, and the lengths.

    Args:
        sequence: the packed batch.
        batch_first: return ``(B, T, *)`` instead of ``(T, B, *)``.
        padding_value: what fills the rest.
        total_length: a ``T`` larger than the longest length.

    Returns:
        The batch, and the lengths as int64 on the CPU.

    Raises:
        ValueError: ``total_length`` is too small.

    Example:
        >>> packed = tp.nn.utils.rnn.pack_sequence([tp.tensor([1, 2]), tp.tensor([3])])
        >>> tp.nn.utils.rnn.pad_packed_sequence(packed)[0].tolist()
        [[1, 3], [2, 0]]
    """
    data, sizes, _, order = sequence
    counts = sizes.tolist()
    steps, batch = len(counts), counts[0]
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                f"pad_packed_sequence: expected total_length of at least {steps}, the length of "
                f"the longest sequence, got {total_length}"
            )
        steps = total_length
    lengths = (sizes[:, None] > tp.arange(batch, device="cpu")).sum(0)
    out = _filled(data, _places(lengths, steps, batch_first, data.device), steps * batch,
                  padding_value)  # fmt: skip
    shape = (batch, steps) if batch_first else (steps, batch)
    out = out.reshape(*shape, *data.shape[1:])
    if order is None:
        return out, lengths
    return out.index_select(0 if batch_first else 1, order), lengths[order.cpu()]


def _filled(data: Tensor, places: Tensor, rows: int, value: float) -> Tensor:
    """The rows of ``data`` at their places among ``rows`` of one value."""
    padding = tp.full((rows, *data.shape[1:]), value, dtype=data.dtype, device=data.device)
    return padding.index_copy(0, places, data)


def pad_sequence(
    sequences: Tensor | list[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences of shapes ``(length, *)`` as one batch ``(T, B, *)``.

    Args:
        sequences: at least one; they may differ in length only.
        batch_first: return ``(B, T, *)``.
        padding_value: what fills the rest.
        padding_side: on which side, "right" or "left".

    Raises:
        ValueError: an unknown side.
        RuntimeError: no sequences, or shapes that do not fit together.

    Example:
        >>> tp.nn.utils.rnn.pad_sequence([tp.tensor([1, 2]), tp.tensor([3])], True).tolist()
        [[1, 2], [3, 0]]
    """
    if padding_side not in ("right", "left"):
        raise ValueError(
            f"pad_sequence: expected padding_side 'right' or 'left', got {padding_side!r}"
        )
    parts = list(sequences)
    if not parts:
        raise RuntimeError("pad_sequence: expected at least one sequence, got none")
    inner = parts[0].shape[1:]
    if any(part.shape[1:] != inner for part in parts):
        raise RuntimeError(
            "pad_sequence: expected sequences that differ in the first dimension only, got shapes "
            f"{[tuple(part.shape) for part in parts]}"
        )
    steps = max(part.shape[0] for part in parts)
    places = []
    for row, part in enumerate(parts):
        first = row * steps + (steps - part.shape[0] if padding_side == "left" else 0)
        places.append(tp.arange(first, first + part.shape[0], device=part.device))
    data, rows = tp.cat(parts), len(parts) * steps
    out = _filled(data, tp.cat(places), rows, padding_value).reshape(len(parts), steps, *inner)
    return out if batch_first else out.transpose(0, 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """The sequences of a padded batch, each of its length: the inverse of :func:`pad_sequence`.

    Example:
        >>> x = tp.tensor([[1, 3], [2, 0]])
        >>> [s.tolist() for s in tp.nn.utils.rnn.unpad_sequence(x, tp.tensor([2, 1]))]
        [[1, 2], [3]]
    """
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    sizes = lengths.tolist()
    return [row[:size] for row, size in zip(padded_sequences, sizes, strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences of shapes ``(length, *)``; see :func:`pack_padded_sequence`.

    Example:
        >>> packed = tp.nn.utils.rnn.pack_sequence(
        ...     [tp.tensor([3]), tp.tensor([1, 2])], enforce_sorted=False)
        >>> packed.sorted_indices.tolist()
        [1, 0]
    """
    parts = list(sequences)
    lengths = [part.shape[0] for part in parts]
    return pack_padded_sequence(pad_sequence(parts), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences that :func:`pack_sequence` was given.

    Example:
        >>> packed = tp.nn.utils.rnn.pack_sequence([tp.tensor([1, 2]), tp.tensor([3])])
        >>> [s.tolist() for s in tp.nn.utils.rnn.unpack_sequence(packed)]
        [[1, 2], [3]]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
