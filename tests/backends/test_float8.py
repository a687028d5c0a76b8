"""float8: values are kept, cast, viewed and saved, and nothing computes with them."""

from __future__ import annotations

import io

import numpy as np
import pytest

import tensorplug as tp

TYPES = [tp.float8_e4m3fn, tp.float8_e5m2]
DEVICES = ["cpu", "xla:0"]
VALUES = np.concatenate([np.linspace(-448, 448, 57), [0.0, -0.0, 1e-3, 2.0**-9, np.nan]])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_casts_agree_with_torch(dtype: tp.dtype, device: str) -> None:
    torch = pytest.importorskip("torch")
    x = tp.tensor(VALUES, dtype=tp.float32, device=device).to(dtype)
    expected = torch.tensor(VALUES, dtype=torch.float32).to(getattr(torch, dtype.name))
    assert (x.dtype, x.element_size()) == (dtype, 1)
    assert np.array_equal(x.float().cpu().numpy(), expected.float().numpy(), equal_nan=True)
    known = ~np.isnan(VALUES)
    bits, others = x.view(tp.uint8).cpu().numpy(), expected.view(torch.uint8).numpy()
    assert np.array_equal(bits[known], others[known])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_values_are_kept(dtype: tp.dtype, device: str) -> None:
    x = tp.zeros(2, 3, dtype=dtype, device=device)
    x[0] = 1.5
    x.t()[2].copy_(tp.tensor([4.0, 8.0], device=device))
    assert x.tolist() == [[1.5, 1.5, 4.0], [0.0, 0.0, 8.0]]
    assert repr(x[1, 2].cpu()) == f"tensor(8., dtype={dtype})"
    file = io.BytesIO()
    tp.save({"x": x}, file)
    loaded = tp.load(io.BytesIO(file.getvalue()))["x"]
    assert (loaded.dtype, str(loaded.device)) == (dtype, device)
    assert loaded.tolist() == x.tolist()


def test_gradients_pass_through_a_cast() -> None:
    x = tp.ones(3, requires_grad=True)
    (x.to(tp.float8_e5m2).float() * 3).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0, 3.0]


@pytest.mark.parametrize("device", DEVICES)
def test_nothing_computes_with_them(device: str) -> None:
    x = tp.ones(3, device=device).to(tp.float8_e4m3fn)
    with pytest.raises(RuntimeError, match=r"add: expected .* got tensorplug\.float8_e4m3fn"):
        x + x
    with pytest.raises(RuntimeError, match=r"sum: expected .* got tensorplug\.float8_e4m3fn"):
        x.sum()
    with pytest.raises(TypeError, match="got float8_e4m3fn and float32; cast the 8-bit one first"):
        x + tp.ones(3, device=device)
