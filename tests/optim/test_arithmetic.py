"""Sums in place: any layout, type and size, on devices with and without a kernel for them."""

from __future__ import annotations

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.optim._arithmetic import add_scaled

LAYOUTS = {
    "rows": (lambda x: x, lambda y: y),
    "columns": (lambda x: x.T, lambda y: y.T),
    "one of each": (lambda x: x.T, lambda y: y.T.contiguous()),
    "every second": (lambda x: x[::2], lambda y: y[::2]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [3, 300])  # 300 * 300 is more than one block
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "complex64"])
def test_sums_in_place(layout: str, size: int, dtype: str) -> None:
    kind = getattr(tp, dtype)
    x = tp.arange(size * size).reshape(size, size).remainder(7).to(kind)
    y = tp.arange(size * size).reshape(size, size).remainder(5).to(kind)
    expected = x + y * 0.5  # exact in every type
    of_x, of_y = LAYOUTS[layout]
    version = x._version
    part = of_x(x)
    assert add_scaled(part, of_y(y), 0.5) is part
    assert x._version == version + 1
    assert part.equal(of_x(expected))
    if layout == "every second":
        assert x[1].equal(tp.arange(size * size).reshape(size, size).remainder(7).to(kind)[1])


def test_factors_may_be_tensors_and_devices_without_the_kernel() -> None:
    for device, factor in (("cpu", tp.tensor(0.5)), ("strict:0", 0.5), ("cpu", 2)):
        x, y = tp.ones(3, device=device), tp.ones(3, device=device)
        add_scaled(x, y, factor)
        assert x.tolist() == [1 + float(factor)] * 3


def test_memory_that_cannot_be_written_to_is_an_error_in_our_words() -> None:
    array = np.ones(3, np.float32)
    array.flags.writeable = False
    x = tp.from_numpy(array)
    with pytest.raises(RuntimeError, match="expected memory that can be written to, got"):
        add_scaled(x, tp.ones(3), 2.0)


def test_the_row_has_a_generic_form_and_derivatives() -> None:
    row = tp.autograd.registry.ROWS["add_scaled"].call
    x, y = tp.ones(2, requires_grad=True), tp.ones(2, requires_grad=True)
    out = row(x, y, 3.0)
    out.sum().backward()
    assert out.tolist() == [4.0, 4.0]
    assert (x.grad.tolist(), y.grad.tolist()) == ([1.0, 1.0], [3.0, 3.0])
