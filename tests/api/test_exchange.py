"""Memory shared with other libraries and in copies; bfloat16, which NumPy cannot pass on."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import tensorplug as tp


def test_a_field_of_packed_records_needs_a_copy() -> None:
    records = np.zeros(3, dtype=[("a", "i1"), ("b", "f4")])
    records["b"] = [1, 2, 3]
    for call in (tp.from_numpy, tp.from_dlpack):
        with pytest.raises(ValueError, match=r"multiples of 4 bytes.*got \(5,\); use \.copy\(\)"):
            call(records["b"])
    for call in (tp.as_tensor, tp.tensor, lambda x: tp.from_numpy(x.copy())):
        assert call(records["b"]).tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="copy=False"):
        tp.asarray(records["b"], copy=False)


def test_read_only_memory_is_not_written_to() -> None:
    array = np.ones(3)
    array.flags.writeable = False
    x = tp.from_numpy(array)
    for write in (lambda: x.add_(1), lambda: x.zero_(), lambda: x.__setitem__(0, 2.0)):
        with pytest.raises(RuntimeError, match=r"read-only array; use \.clone\(\)"):
            write()
    assert x.clone().add_(1).tolist() == [2, 2, 2]
    assert array.tolist() == [1, 1, 1]


def test_from_dlpack_wants_an_array() -> None:
    with pytest.raises(TypeError, match=r"from_dlpack: expected an array .* got int; use tensor"):
        tp.from_dlpack(3)


def test_bfloat16_is_shared_both_ways() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.arange(6, dtype=torch.bfloat16).reshape(2, 3).t()
    ours = tp.from_dlpack(theirs, device="cpu")
    assert (ours.dtype, ours.shape, ours.stride()) == (tp.bfloat16, (3, 2), (1, 3))
    assert ours.tolist() == theirs.tolist()
    ours[0, 1] = 9
    assert theirs[0, 1] == 9
    again = torch.from_dlpack(ours)
    assert again.dtype is torch.bfloat16
    again[2, 0] = 7
    assert (ours[2, 0].item(), theirs[2, 0].item()) == (7, 7)
    old = torch.utils.dlpack.from_dlpack(ours.__dlpack__())
    assert old.tolist() == theirs.tolist()
    assert tp.from_dlpack(ours.detach()).dtype is tp.bfloat16


@pytest.mark.parametrize("device", ["cpu", "strict:0"])
def test_deep_copies_share_memory_where_the_originals_do(device: str) -> None:
    base = tp.arange(6.0, device=device)
    weight = tp.nn.Parameter(tp.ones(2, 2, device=device))
    weight.grad = tp.ones(2, 2, device=device)
    tensors = [base[2:4], base, base.reshape(2, 3).t(), weight, weight.detach(), weight]
    part, whole, turned, parameter, alias, again = copy.deepcopy(tensors)
    whole[2] = 9.0
    assert part.tolist() == [9.0, 3.0]
    assert turned.tolist() == [[0.0, 3.0], [1.0, 4.0], [9.0, 5.0]]
    assert turned.stride() == (1, 3)
    assert base[2].item() == 2.0
    assert parameter is again
    alias[0, 0] = 5.0
    assert parameter[0, 0].item() == 5.0
    assert isinstance(parameter, tp.nn.Parameter)
    assert parameter.grad.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert weight[0, 0].item() == 1.0
    assert copy.deepcopy(tp.zeros(0, 3, device=device)).shape == (0, 3)
    assert copy.deepcopy(tp.ones(1, device=device).expand(3)).tolist() == [1.0, 1.0, 1.0]
