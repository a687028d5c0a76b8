"""Capabilities: what is declared works, what is not raises the one documented error.

Undeclared capabilities are refused by the library itself, whatever the device could do; what is
tried here is that each is refused everywhere it is needed, and that a declared one is no promise
without anything behind it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.backends import CAPABILITIES, CapabilityError
from tensorplug.conformance.samples import DTYPES, UNSIGNED


def matrix(device: str) -> tp.Tensor:
    return tp.tensor([[2.0, 1.0], [1.0, 3.0]], device=device)


def host(x: tp.Tensor) -> list[Any]:
    return np.round(x.cpu().to(tp.float64).numpy(), 4).tolist()


def stale(device: str, capability: str) -> str:
    return (
        f"stale declaration: {capability!r} is there on {device}, whose backend does not declare "
        "it; remove what provides it, or declare it"
    )


def refusal(device: str, capability: str, operation: Callable[[], Any]) -> CapabilityError:
    """The error of an operation that needs what is not declared."""
    try:
        operation()
    except CapabilityError as error:
        return error
    pytest.fail(stale(device, capability))


NEEDING: dict[str, list[tuple[Callable[[str], Any], Any]]] = {
    "linalg": [
        (lambda d: tp.linalg.det(matrix(d)).item(), 5.0),
        (lambda d: host(tp.linalg.inv(matrix(d))), [[0.6, -0.2], [-0.2, 0.4]]),
        (lambda d: host(tp.linalg.solve(matrix(d), matrix(d))), [[1.0, 0.0], [0.0, 1.0]]),
    ],
    "fft": [
        (lambda d: host(tp.fft.fft(matrix(d)).real), [[3.0, 1.0], [4.0, -2.0]]),
        (lambda d: host(tp.fft.irfft(tp.fft.rfft(matrix(d)))), [[2.0, 1.0], [1.0, 3.0]]),
    ],
    "special": [
        (lambda d: host(matrix(d).erf()), [[0.9953, 0.8427], [0.8427, 1.0]]),
        (lambda d: host(tp.lgamma(matrix(d))), [[0.0, 0.0], [0.0, 0.6931]]),
    ],
    "random": [
        (lambda d: tp.rand(3, device=d).shape, (3,)),
        (lambda d: tp.randperm(1, device=d).tolist(), [0]),
        (lambda d: tp.empty(2, device=d).normal_().shape, (2,)),
        (lambda d: tp.randint(4, 5, (2,), device=d).tolist(), [4, 4]),
    ],
    "dynamic_shapes": [
        (lambda d: matrix(d).eq(1).nonzero().tolist(), [[0, 1], [1, 0]]),
        (lambda d: tp.unique(matrix(d)).tolist(), [1.0, 2.0, 3.0]),
        (lambda d: matrix(d)[matrix(d) > 1].tolist(), [2.0, 3.0]),
    ],
    "in_place": [
        (lambda d: matrix(d).add_(1).tolist(), [[3.0, 2.0], [2.0, 4.0]]),
        (lambda d: matrix(d).zero_().tolist(), [[0.0, 0.0], [0.0, 0.0]]),
        (lambda d: tp.neg(matrix(d), out=matrix(d)).tolist(), [[-2.0, -1.0], [-1.0, -3.0]]),
    ],
    "as_strided": [(lambda d: matrix(d).as_strided((2,), (3,)).tolist(), [2.0, 3.0])],
    "dlpack_export": [(lambda d: type(matrix(d).__dlpack__()).__name__, "PyCapsule")],
    "streams": [
        (lambda d: tp.cuda.Stream(d).record_event().synchronize(), None),
        (lambda d: str(tp.cuda.current_stream(d).device) == d, True),
    ],
    "pinned_memory": [(lambda d: tp.ones(2).pin_memory(d).tolist(), [1.0, 1.0])],
    "memory_stats": [
        (lambda d: tp.cuda.memory_allocated(d) >= 0, True),
        (lambda d: tp.cuda.max_memory_allocated(d) >= 0, True),
        (lambda d: len(tp.cuda.mem_get_info(d)), 2),
    ],
}
"""Operations by the capability that they need, with their results."""


@pytest.mark.parametrize("capability", NEEDING)
def test_a_capability_works_or_raises(device: str, capability: str) -> None:
    declared = capability in tp.device(device).capabilities
    for operation, want in NEEDING[capability]:
        if declared:
            assert operation(device) == want
            continue
        caught = refusal(device, capability, partial(operation, device))
        assert capability in str(caught), f"{device}: {caught}"
        assert caught.capability == capability
        assert caught.device == device
        assert caught.op
        assert (matrix(device) + 1).tolist() == [[3.0, 2.0], [2.0, 4.0]]


MEMBERS = {"streams": ("stream", "current_stream", "event"), "pinned_memory": ("pin",)}
"""Methods of a backend for a capability; unless it has its own, they raise."""


def provided(device: str, member: str) -> Any:
    """Call a member of the backend that only devices with a capability have."""
    where = tp.device(device)
    found = getattr(where.backend, member)
    arguments: dict[str, tuple[Any, ...]] = {
        "stream": (where.index, 0), "current_stream": (where.index,), "event": (False,),
        "pin": (np.zeros(2),),
    }  # fmt: skip
    return found(*arguments[member])


@pytest.mark.parametrize("capability", MEMBERS)
def test_what_is_not_declared_is_not_provided(device: str, capability: str) -> None:
    """A backend may have learned since what it still says it cannot."""
    declared = capability in tp.device(device).capabilities
    for member in MEMBERS[capability]:
        if declared:
            assert provided(device, member) is not None, f"Backend.{member}() of {device}"
            continue
        caught = refusal(device, capability, partial(provided, device, member))
        assert caught.capability == capability


def test_undeclared_imports_share_no_memory(device: str) -> None:
    """Through DLPack, without a copy: where that is declared, other tests try it."""
    array = np.arange(3, dtype=np.float32)
    if "dlpack_import" in tp.device(device).capabilities:
        assert tp.from_dlpack(array, device=device, copy=True).tolist() == [0.0, 1.0, 2.0]
        return
    with contextlib.suppress(BufferError):
        tp.from_dlpack(array, device=device, copy=False)
        pytest.fail(stale(device, "dlpack_import"))
    assert tp.from_dlpack(array, device=device).tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("dtype", DTYPES + UNSIGNED, ids=lambda dtype: dtype.name)
def test_a_type_works_or_raises(device: str, dtype: Any) -> None:
    values = np.array([0, 1, 3]).astype(dtype.numpy)
    ways: list[Callable[[], tp.Tensor]] = [
        lambda: tp.tensor(values, device=device),
        lambda: tp.zeros(3, dtype=dtype, device=device),
        lambda: tp.tensor(values).to(device),
        lambda: tp.ones(3, dtype=tp.float32, device=device).to(dtype),
    ]
    for way in ways:
        if dtype.name in tp.device(device).capabilities:
            made = way()
            assert (made.dtype, str(made.device), made.element_size()) == (
                dtype, device, dtype.itemsize,
            )  # fmt: skip
            continue
        with pytest.raises(CapabilityError, match=dtype.name) as caught:
            way()
        assert caught.value.capability == dtype.name
        assert tp.ones(2, device=device).tolist() == [1.0, 1.0]


def test_every_type_is_as_precise_as_it_says(device: str) -> None:
    """float64 that is computed in float32 is a lie that only shows in the digits."""
    for dtype in DTYPES:
        if not dtype.is_inexact or dtype.name not in tp.device(device).capabilities:
            continue
        step = tp.finfo(dtype).eps
        one = tp.ones(2, dtype=dtype, device=device)
        for next_to_one in (one + step, one * (1 + step), one.exp() * 0 + 1 + step):
            assert next_to_one.dtype is dtype
            assert ((next_to_one - one).real if dtype.is_complex else next_to_one - one).cpu().to(
                tp.float64
            ).tolist() == [step, step], f"{dtype} on {device} loses its last bit"


def test_only_known_capabilities_are_declared(device: str) -> None:
    where = tp.device(device)
    assert where.backend.capabilities <= set(CAPABILITIES)
    assert where.backend.capabilities <= where.capabilities


def test_facts_follow_from_the_backend(device: str) -> None:
    where = tp.device(device)
    facts = where.capabilities
    assert ("several_devices" in facts) == (len(where.backend.devices()) > 1)
    assert ("host_memory" in facts) == where.backend.shares_host_memory
    assert ("host_fallback" in facts) == where.backend.host_fallback


@pytest.mark.needs("memory_stats")
def test_declared_memory_figures_follow_the_memory(device: str) -> None:
    where = tp.device(device)
    before = where.backend.memory(where.index)["allocated"]
    x = tp.zeros(100_000, device=device)
    during = where.backend.memory(where.index)["allocated"]
    assert during >= before + 400_000
    del x
    assert where.backend.memory(where.index)["allocated"] <= before


def test_shared_host_memory_is_shared(device: str) -> None:
    x = tp.zeros(3, device=device)
    if "host_memory" not in tp.device(device).capabilities:
        with pytest.raises(TypeError, match="numpy"):
            x.numpy()
        return
    array = x.numpy()
    array[0] = 5
    assert x.tolist() == [5.0, 0.0, 0.0]
