"""Exchange of memory by DLPack: who sees whose writes, and what is refused with which words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_strict as strict
import jax.numpy as jnp
import numpy as np
import pytest

import tensorplug as tp
import tensorplug.array_api as xp
from tensorplug.backends.dlpack import AsWords, FromWords


def aligned(size: int, offset: int = 0) -> np.ndarray:
    """``0.0, 1.0, ...`` at an address ``offset`` bytes after one that XLA can use as it is."""
    memory = np.empty(size * 8 + 128, np.uint8)
    start = -memory.ctypes.data % 64 + offset
    found = memory[start : start + size * 8].view(np.float64)
    found[:] = np.arange(size)
    return found


def address(x: tp.Tensor) -> int:
    return int(np.from_dlpack(x.detach()).ctypes.data)


def test_words_go_out_as_bfloat16_and_come_in_as_words() -> None:
    words = np.array([[1, 2], [3, 0x3F80]], np.uint16)
    assert tp.from_dlpack(FromWords(words)).tolist()[1][1] == 1.0
    exporter = AsWords(FromWords(words))
    np.testing.assert_array_equal(np.from_dlpack(exporter), words)
    assert exporter.found


# --- sharing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["bool", "uint16", "int64", "float16", "float32", "complex128"])
def test_numpy_shares_memory_both_ways(dtype: str) -> None:
    a = np.ones((3, 4), dtype)
    for part in (a, a.T, a[1:, ::2], a[:, ::-1], a[2, 3, ...], a[:0]):
        x = tp.from_dlpack(part)
        assert (x.shape, x.dtype) == (part.shape, getattr(tp, dtype))
        assert np.shares_memory(x.numpy(), part) or part.size == 0
        if min(part.strides, default=0) >= 0:
            back = np.from_dlpack(x)
            assert (back.ctypes.data, back.strides) == (part.ctypes.data, part.strides)
    tp.from_dlpack(a.T)[0, 1] = 0
    assert a[1, 0] == 0


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "bfloat16", "float32", "complex64"])
def test_torch_shares_memory_both_ways(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.ones((3, 4), dtype=getattr(torch, dtype))
    for part in (theirs, theirs.t(), theirs[1:, ::2], theirs[2, 3]):
        x = tp.from_dlpack(part, device="cpu")
        assert (tuple(x.shape), x.stride()) == (tuple(part.shape), part.stride())
        assert x.dtype is getattr(tp, dtype)
        assert torch.from_dlpack(x).data_ptr() == x.data_ptr() == part.data_ptr()
    tp.from_dlpack(theirs.t(), device="cpu")[0, 1] = 0
    assert theirs[1, 0] == 0


def test_strict_keeps_its_device_and_shares() -> None:
    array = strict.asarray([1.0, 2.0])
    x = tp.from_dlpack(array)
    assert (str(x.device), x.tolist()) == ("strict:0", [1, 2])
    on_cpu = tp.from_dlpack(array, device="cpu", copy=False)
    array[0] = 5
    assert on_cpu.tolist() == [5, 2]
    assert strict.from_dlpack(tp.ones(2)).dtype == strict.float32


def test_host_memory_on_strict() -> None:
    a = np.arange(3.0)
    x = tp.from_dlpack(a, device="strict:0", copy=False)
    y = tp.from_dlpack(a, device="strict:0", copy=True)
    a[0] = 5
    assert (x.tolist(), y.tolist()) == ([5, 1, 2], [0, 1, 2])
    x[1] = 7  # as on xla, by replacing the array
    assert (a[1], x[1].item()) == (1, 7)


def test_jax_shares_memory_both_ways() -> None:
    array = jnp.arange(4.0)
    place = array.unsafe_buffer_pointer()
    x = tp.from_dlpack(array)
    assert (str(x.device), address(x)) == ("xla:0", place)
    assert jnp.from_dlpack(x).unsafe_buffer_pointer() == place
    assert tp.from_dlpack(x, device="cpu").data_ptr() == place


def test_host_memory_on_xla() -> None:
    a = aligned(16)
    for source in (a, tp.from_numpy(a), a.reshape(4, 4).T):
        x = tp.from_dlpack(source, device="xla:0", copy=False)
        assert (str(x.device), address(x)) == ("xla:0", a.ctypes.data)
    x[0, 0] = 7  # a tensor of xla is written to by replacing its array
    assert (a[0], x[0, 0].item()) == (0, 7)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (aligned(16, 16), "not aligned to 64 bytes"),
        (aligned(16)[::2], "compact.* striding"),
        (np.broadcast_to(aligned(1), (3,)), "[Rr]ead-?only"),
    ],
)
def test_host_memory_that_xla_cannot_use(source: np.ndarray, why: str) -> None:
    text = f"from_dlpack: expected memory that xla:0 can use as it is, .* numpy.ndarray .*{why}"
    with pytest.raises(BufferError, match=text):
        tp.from_dlpack(source, device="xla:0", copy=False)
    x = tp.from_dlpack(source, device="xla:0")
    assert (str(x.device), x.tolist()) == ("xla:0", source.tolist())


# --- copies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cpu", "xla:0"])
@pytest.mark.parametrize("size", [1, 1000, 100_000])
def test_a_copy_does_not_see_later_writes(device: str, size: int) -> None:
    """Also where the memory suits XLA, which reads it when it gets round to it, if allowed."""
    calls: list[Callable[[np.ndarray], tp.Tensor]] = [
        lambda a: tp.tensor(a, device=device),
        lambda a: tp.asarray(a, device=device, copy=True),
        lambda a: tp.from_dlpack(a, device=device, copy=True),
        lambda a: xp.from_dlpack(a, device=device, copy=True),
        lambda a: tp.from_numpy(a).to(device, copy=True),
    ]
    for call in calls:
        a = aligned(size)
        x = call(a)
        a[:] = -1
        assert str(x.device) == device
        assert (x[-1].item(), x.sum().item()) == (size - 1, size * (size - 1) / 2)


def test_a_tensor_moved_to_xla_and_back_shares_nothing() -> None:
    a = aligned(100_000)
    x = tp.from_numpy(a).to("xla:0")
    y = x.to("cpu")
    y[:3], a[:3] = -1, -2
    x[3] = -3
    assert (x[:4].tolist(), y[:4].tolist()) == ([0, 1, 2, -3], [-1, -1, -1, 3])


def test_an_export_from_xla_is_a_snapshot() -> None:
    """JAX must not write the next value into memory that somebody else looks at."""
    x = tp.arange(100_000.0, device="xla:0")
    seen = np.from_dlpack(x)
    x.add_(1)
    x[0] = 9
    assert (seen[0], seen[-1], x[0].item(), x[-1].item()) == (0, 99_999, 9, 100_000)


def test_the_wrong_device_for_copy_false() -> None:
    with pytest.raises(ValueError, match=r"asarray: .*copy=False asks, .* got ndarray; leave"):
        tp.asarray(np.ones(3), device="xla:0", copy=False)
    with pytest.raises(ValueError, match="copy=False"):
        tp.asarray(strict.ones(3), device="cpu", copy=False)
    with pytest.raises(ValueError, match="copy=False"):
        tp.asarray([1, 2], copy=False)
    assert tp.asarray(jnp.ones(3), copy=False).device is tp.device("xla:0")


# --- read-only memory -----------------------------------------------------------------------------


def test_memory_of_jax_is_not_written_to() -> None:
    array = jnp.arange(4.0)
    x = tp.from_dlpack(array, device="cpu")
    writes: list[Callable[[], Any]] = [
        lambda: x.add_(1), lambda: x.__setitem__(0, 2.0), lambda: tp.sin(x, out=x),
        lambda: x.view(2, 2).t().zero_(), lambda: x.index_fill_(0, tp.tensor([0]), 1.0),
        lambda: x.uniform_(),
    ]  # fmt: skip
    for write in writes:
        with pytest.raises(RuntimeError, match=r"over a read-only array; use \.clone\(\)"):
            write()
    assert array.tolist() == [0, 1, 2, 3]
    assert x.clone().add_(1).tolist() == [1, 2, 3, 4]


def test_an_export_says_that_memory_is_read_only() -> None:
    x = tp.from_dlpack(jnp.ones(3), device="cpu")
    assert not np.from_dlpack(x).flags.writeable
    with pytest.raises(BufferError, match=r"__dlpack__: .* numpy can export, .*readonly"):
        x.__dlpack__()  # a consumer so old that it could not be told


# --- what is refused ------------------------------------------------------------------------------


def test_tensors_with_history_are_not_exported() -> None:
    for device in ("cpu", "xla:0"):
        x = tp.ones(2, device=device, requires_grad=True)
        with pytest.raises(BufferError, match=r"__dlpack__: .*requires grad; .*\.detach\(\)"):
            np.from_dlpack(x)
        assert np.from_dlpack(x.detach()).tolist() == [1, 1]


def test_arrays_of_others_that_cannot_be_shared() -> None:
    torch = pytest.importorskip("torch")
    wrong = [
        (torch.ones(2, requires_grad=True), "require gradient"),
        (torch.ones(2, dtype=torch.complex64).conj(), "conjugate"),
        (torch.ones(2, device="meta"), "meta"),
    ]
    for array, why in wrong:
        for call in (tp.from_dlpack, tp.as_tensor, tp.tensor):
            # The second where a plugin brings a device for PyTorch's tensors.
            text = f"(that the cpu can reach, got .*torch.Ten|one of .*, got an array on ).*{why}"
            with pytest.raises((BufferError, ValueError), match=text):
                call(array)


@pytest.mark.parametrize("device", ["cpu", "xla:0"])
@pytest.mark.parametrize("options", [{"stream": 1}, {"dl_device": (2, 0)}])
def test_options_of_an_export(device: str, options: dict[str, Any]) -> None:
    x = tp.ones(2, device=device)
    key = next(iter(options))
    with pytest.raises(BufferError, match=f"__dlpack__: .*got a tensor of .* on {device} .*{key}"):
        x.__dlpack__(**options)
    assert (int(x.__dlpack_device__()[0]), x.__dlpack_device__()[1]) == (1, 0)
    for version in ((0, 0), (0, 8), (1, 0), (2, 0), None):
        for copy in (True, False, None):
            assert x.__dlpack__(max_version=version, dl_device=(1, 0), copy=copy) is not None


def test_a_reversed_view_is_copied_for_others() -> None:
    x = tp.arange(4)[::-1]
    assert np.from_dlpack(x).tolist() == [3, 2, 1, 0]
    with pytest.raises(BufferError, match=r"strides of 0 or more with copy=False, got \(-1,\)"):
        np.from_dlpack(x, copy=False)


# --- where arrays of others go --------------------------------------------------------------------


def test_arrays_stay_where_they_are() -> None:
    for call in (tp.asarray, tp.as_tensor, tp.tensor, xp.asarray):
        assert str(call(jnp.ones(2)).device) == "xla:0"
        assert str(call(strict.ones(2)).device) == "strict:0"
        assert str(call(jnp.ones(2), device="cpu").device) == "cpu"
        with tp.device("strict:0"):
            assert str(call(np.ones(2)).device) == "strict:0"
            assert str(call([1.0]).device) == "strict:0"
            assert str(call(jnp.ones(2)).device) == "xla:0"
