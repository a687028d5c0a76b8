"""``nn.utils.rnn`` against PyTorch's: the same batches, the same gradients, the same errors."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import tensorplug as tp
from tensorplug.nn.utils import rnn

DEVICES = ["cpu", "strict:0"]


def _tensors(lib: Any, sizes: list[int], inner: tuple[int, ...], device: str = "cpu") -> list[Any]:
    made = []
    for number, size in enumerate(sizes):
        shape = (size, *inner)
        count = lib.ones(shape).numel()
        values = lib.arange(count, dtype=lib.float64).reshape(shape) + 100 * number
        made.append((values.to(device) if lib is tp else values).requires_grad_())
    return made


def _plain(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value.tolist()


def _both(program: Any, device: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = program(tp, device), program(torch, "cpu")
    assert _plain(ours) == _plain(theirs)


SIZES = [[4, 2, 1], [3, 3], [1, 4, 2]]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("inner", [(), (2,), (2, 3)], ids=str)
def test_padding_and_packing(
    inner: tuple[int, ...], sizes: list[int], batch_first: bool, device: str
) -> None:
    def program(lib: Any, device: str) -> Any:
        found, tools = [], lib.nn.utils.rnn
        for side in ("right", "left"):
            parts = _tensors(lib, sizes, inner, device)
            padded = tools.pad_sequence(parts, batch_first, -1.0, side)
            found.append(padded)
            (padded * padded).sum().backward()
            found += [part.grad for part in parts]
        parts = _tensors(lib, sizes, inner, device)
        padded = tools.pad_sequence(parts, batch_first)
        packed = tools.pack_padded_sequence(padded, sizes, batch_first, enforce_sorted=False)
        found.append(packed)
        back, lengths = tools.pad_packed_sequence(packed, batch_first, 7.0, total_length=6)
        # A clone, because PyTorch transposes what it is given in place.
        found += [back, lengths, tools.unpad_sequence(back.clone(), lengths, batch_first)]
        found.append(tools.unpack_sequence(tools.pack_sequence(parts, enforce_sorted=False)))
        (back * back).sum().backward()
        return found + [part.grad for part in parts]

    _both(program, device)


def test_sorted_batches_keep_their_order() -> None:
    def program(lib: Any, device: str) -> Any:
        x = lib.arange(12.0).reshape(4, 3)
        tools = lib.nn.utils.rnn
        return [
            tools.pack_padded_sequence(x, lib.tensor([4, 4, 1])),
            tools.pack_padded_sequence(x, [3, 2, 2]),
            tools.pack_sequence([x[:, 0], x[:2, 1]]),
            tools.invert_permutation(lib.tensor([2, 0, 1, 3])),
            tools.pad_sequence(x),
        ]

    _both(program, "cpu")
    assert rnn.pack_padded_sequence(tp.zeros(4, 3), [3, 2, 2]).sorted_indices is None
    assert rnn.invert_permutation(None) is None


def test_packed_sequences_move_and_convert() -> None:
    packed = rnn.pack_sequence([tp.tensor([1.5]), tp.tensor([2.5, 3.5])], enforce_sorted=False)
    for name in ("double", "float", "half", "long", "int", "short", "char", "byte"):
        found = getattr(packed, name)()
        assert found.data.dtype is getattr(tp, {"char": "int8", "byte": "uint8"}.get(name, name))
        assert found.batch_sizes is packed.batch_sizes
        assert found.sorted_indices is not None
    moved = packed.to("strict:0")
    assert [x.device.type for x in moved] == ["strict", "cpu", "strict", "strict"]
    assert moved.cpu().data.tolist() == packed.data.tolist()
    assert packed.to("cpu") is packed
    assert packed.pin_memory() is packed
    assert not packed.is_pinned()
    assert not packed.is_cuda
    again = rnn.PackedSequence((packed.data, packed.batch_sizes))  # type: ignore[arg-type]
    assert again.batch_sizes.tolist() == [2, 1]


def test_cuda_is_refused_where_there_is_none() -> None:
    packed = rnn.pack_sequence([tp.tensor([1.5])])
    with pytest.raises(RuntimeError, match="cuda"):
        packed.cuda()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: rnn.pack_padded_sequence(x, [1, 2, 3]), RuntimeError,
         r"lengths in falling order, got \[1, 2, 3\]; pass enforce_sorted=False"),
        (lambda x: rnn.pack_padded_sequence(x, [2, 1]), RuntimeError,
         r"expected 3 lengths, .*, got 2"),
        (lambda x: rnn.pack_padded_sequence(x, [5, 1, 1]), RuntimeError,
         r"lengths from 1 to 4, got \[5, 1, 1\]"),
        (lambda x: rnn.pack_padded_sequence(x, [2, 1, 0]), RuntimeError,
         r"lengths from 1 to 4, got \[2, 1, 0\]"),
        (lambda x: rnn.pad_packed_sequence(rnn.pack_sequence([x]), total_length=2), ValueError,
         r"total_length of at least 4, .*, got 2"),
        (lambda x: rnn.pad_sequence([x], padding_side="top"), ValueError,
         r"padding_side 'right' or 'left', got 'top'"),
        (lambda x: rnn.pad_sequence([]), RuntimeError, r"at least one sequence, got none"),
        (lambda x: rnn.pad_sequence([x, x[:, 0]]), RuntimeError,
         r"got shapes \[\(4, 3\), \(4,\)\]"),
        (lambda x: rnn.PackedSequence(x, tp.ones(4, dtype=tp.int64, device="strict:0")),
         ValueError, r"batch_sizes on the CPU, got strict:0"),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call(tp.zeros(4, 3))


@pytest.mark.parametrize("name", rnn.__all__)
def test_signature_is_that_of_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn.utils.rnn, name)
    found, expected = (
        [(p.name, p.default) for p in inspect.signature(f).parameters.values()]
        for f in (getattr(rnn, name), theirs)
    )
    assert found == expected
