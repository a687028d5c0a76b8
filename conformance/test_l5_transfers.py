"""Nothing is copied to the host behind the user's back, and naming a library loads no other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import tensorplug as tp
from tensorplug.backends.plugging import current

F = tp.nn.functional


@contextmanager
def host_copies(device: str) -> Iterator[list[int]]:
    """The sizes of the tensors that the block copies to the host."""
    backend: Any = tp.device(device).backend
    sizes: list[int] = []
    real = backend.to_host

    def counted(handle: Any) -> Any:
        found = real(handle)
        sizes.append(found.size)
        return found

    backend.to_host = counted
    try:
        yield sizes
    finally:
        del backend.to_host


def _inputs(device: str) -> tuple[tp.Tensor, tp.Tensor]:
    x = tp.tensor([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], device=device)
    return x, x.flip(0).contiguous()


OPERATIONS: dict[str, Callable[[tp.Tensor, tp.Tensor], Any]] = {
    "arithmetic": lambda x, y: (x + y) * x - y / 2,
    "numbers": lambda x, y: 2 * x + 1,
    "comparison": lambda x, y: (x < y).logical_not(),
    "exponentials": lambda x, y: x.exp().log1p() + x.sigmoid() + x.tanh(),
    "rounding": lambda x, y: x.floor() + y.round(),
    "select": lambda x, y: tp.where(x > 0, x, y).clamp(-1, 1),
    "sums": lambda x, y: x.sum(0) + x.mean(0) + x.amax(0),
    "all of it": lambda x, y: (x.sum(), x.max(), x.var()),
    "softmax": lambda x, y: F.log_softmax(x, -1) + F.softmax(y, -1),
    "products": lambda x, y: x @ y.t(),
    "linear": lambda x, y: F.linear(x, y),
    "activations": lambda x, y: F.relu(x) + F.silu(y),
    "layer norm": lambda x, y: F.layer_norm(x, (3,)),
    "convolution": lambda x, y: F.conv2d(x[None, None], y[None, None]),
    "views": lambda x, y: x.t()[1:, ::2].reshape(-1),
    "joining": lambda x, y: tp.cat([x, y], 1).chunk(2, 1),
    "cast": lambda x, y: x.to(tp.int32).to(tp.float32),
    "cumulative": lambda x, y: x.cumsum(1),
    "creation": lambda x, y: tp.zeros_like(x) + tp.ones_like(y),
}


@pytest.mark.parametrize("kind", OPERATIONS)
def test_operations_copy_nothing_to_the_host(device: str, kind: str) -> None:
    x, y = _inputs(device)
    with host_copies(device) as sizes:
        OPERATIONS[kind](x, y)
    assert not sizes, f"{kind} on {device}: expected no copy to the host, got copies of {sizes}"


@pytest.mark.needs("in_place")
def test_writes_copy_nothing_to_the_host(device: str) -> None:
    x, y = _inputs(device)
    with host_copies(device) as sizes:
        x.add_(y)
        x[0] = y[1]
        x.t()[1].mul_(2)
        x.copy_(y)
    assert not sizes, f"in-place on {device}: expected no copy to the host, got copies of {sizes}"


@pytest.mark.needs("in_place")
def test_training_copies_nothing_to_the_host(device: str) -> None:
    x, y = _inputs(device)
    layer = tp.nn.Sequential(tp.nn.Linear(3, 4), tp.nn.ReLU(), tp.nn.Linear(4, 3)).to(device)
    optimizer = tp.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    with host_copies(device) as sizes:
        for _ in range(2):
            optimizer.zero_grad()
            F.mse_loss(layer(x), y).backward()
            optimizer.step()
    assert not sizes, f"training on {device}: expected no copy to the host, got copies of {sizes}"


def test_reading_a_number_copies_one_number(device: str) -> None:
    x, _ = _inputs(device)
    with host_copies(device) as sizes:
        assert x[1, 0].item() == 1.5
    assert sizes == [1]


@pytest.mark.parametrize("statement", ["import tensorplug", "import tensorplug as tp; tp.ones(2)"])
def test_a_library_is_loaded_with_its_first_device(device: str, statement: str) -> None:
    where = tp.device(device)
    claim = current().load(where.type).claim
    libraries = [name for name in claim.spec.requires if name != "numpy"]
    if where.type == "cpu" or not libraries or not claim.source.distribution:
        return  # the library of the cpu is loaded always, a plugin of this process at once
    code = f"{statement}\nimport sys\nprint([m for m in {libraries!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", f"{statement!r} loads {done.stdout}"
