"""The texts of errors that users meet first: they name what was called, the rule and the value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tensorplug as tp
import tensorplug.nn.functional as F
from tensorplug import nn
from tensorplug.utils.data import DataLoader


def _x(device: str = "cpu") -> tp.Tensor:
    return tp.ones(3, device=device)


def _set(x: tp.Tensor, index: Any) -> None:
    x[index] = 1.0


INDEX = [
    (5, IndexError, r"^index: expected an index in \[-3, 2\] for dimension 0 of size 3, got 5;"),
    (
        (0, 0, 0),
        IndexError,
        r"^index: expected at most 1 indices for shape \(3,\), got 3;",
    ),
    (slice(None, None, 0), ValueError, r"^index: expected a step other than 0, got 0;"),
    ((..., ...), IndexError, r"^index: expected at most one ellipsis"),
    ([5], IndexError, r"^index: expected an index in \[-3, 2\] for dimension 0 of size 3, got 5;"),
    ([0, -4], IndexError, r"^index: expected an index in \[-3, 2\] .* size 3, got -4;"),
]


@pytest.mark.parametrize("device", ["cpu", "strict:0"])
@pytest.mark.parametrize("call", [tp.Tensor.__getitem__, _set])
@pytest.mark.parametrize(("index", "kind", "text"), INDEX)
def test_indexing_says_which_dimension(device, call, index, kind, text) -> None:
    if device != "cpu":
        pytest.importorskip("array_api_strict")
    if type(index) is list:
        index = tp.tensor(index, device=device)
    with pytest.raises(kind, match=text) as caught:
        call(_x(device), index)
    assert "Ellipsis" not in str(caught.value)


def test_indices_after_an_ellipsis_and_that_do_not_broadcast() -> None:
    x = tp.ones(2, 3)
    with pytest.raises(IndexError, match=r"index: .* for dimension 1 of size 3, got 7"):
        x[..., 7]
    with pytest.raises(IndexError, match=r"index: expected broadcastable shapes, got \(2,\)"):
        x[tp.tensor([0, 1]), tp.tensor([0, 1, 2])]


CASES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: tp.ones(2.5), TypeError, r"^ones: expected integers as sizes, got 2.5;"),
    (lambda: tp.full(2.5, 1.0), TypeError, r"^full: expected integers as sizes, got 2.5;"),
    (lambda: tp.ones(6).reshape(4), RuntimeError, r"^reshape: .* 6 elements, got \(4,\);"),
    (lambda: tp.ones(2, 3).T.reshape(4), RuntimeError, r"^reshape: .* 6 elements, got \(4,\);"),
    (lambda: tp.ones(6).view(4), RuntimeError, r"^view: .* 6 elements, got \(4,\);"),
    (
        lambda: F.cross_entropy(tp.ones(2, 3), tp.tensor([0, 7])), IndexError,
        r"^cross_entropy: expected classes in \[0, 2\], got 7;",
    ),
    (
        lambda: F.nll_loss(tp.ones(2, 3), tp.tensor([-100, -1])), IndexError,
        r"^nll_loss: expected classes in \[0, 2\], got -1;",
    ),
    (
        lambda: tp.optim.SGD(nn.Linear(3, 2), lr=0.1), TypeError,
        r"^SGD: expected an iterable of parameters, got Linear; pass model.parameters\(\)",
    ),
    (lambda: tp.optim.Adam(3), TypeError, r"^Adam: expected an iterable of parameters, got int;"),
    (lambda: DataLoader(3), TypeError, r"^DataLoader: expected a dataset .* got int;"),
    (lambda: DataLoader([1], batch_size=0), ValueError, r"^DataLoader: expected a batch_size"),
    (lambda: nn.Linear("a", 4), TypeError, r"^Linear: expected an integer as in_features, got 'a'"),
    (lambda: nn.Linear(-3, 2), RuntimeError, r"^Linear: expected in_features of 0 or more, got -3"),
    (
        lambda: nn.Linear(3, 2)(tp.ones(2, 3, dtype=tp.float64)), RuntimeError,
        r"^Linear\(3, 2\): expected input of dtype tensorplug.float32, got tensorplug.float64;",
    ),
    (
        lambda: nn.Conv2d(1, 2, 3)(tp.ones(1, 1, 5, 5, dtype=tp.float64)), RuntimeError,
        r"^Conv2d\(1, 2\): expected input of dtype tensorplug.float32, got tensorplug.float64;",
    ),
    (lambda: tp.manual_seed("a"), ValueError, r"^manual_seed: expected an integer, got 'a';"),
    (
        lambda: tp.set_printoptions(precision="a"), TypeError,
        r"^set_printoptions: expected a number as precision, got 'a';",
    ),
    (lambda: _x().bitwise_and(_x()), RuntimeError, r"^bitwise_and: expected a bool or integer"),
    (lambda: tp.load(3), TypeError, r"^load: expected a path or a file .* got int;"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "text"), CASES)
def test_error_names_what_was_called(call, kind, text) -> None:
    with pytest.raises(kind, match=text):
        call()


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_losses_name_themselves(name: str) -> None:
    with pytest.raises(RuntimeError, match=rf"^{name}: expected broadcastable shapes, got \(2, 3"):
        getattr(F, name)(tp.ones(2, 3), tp.ones(2, 4))


def test_a_layer_names_itself_for_another_device() -> None:
    pytest.importorskip("array_api_strict")
    with pytest.raises(RuntimeError, match=r"^Linear\(3, 2\): expected input on cpu, got strict"):
        nn.Linear(3, 2)(tp.ones(2, 3, device="strict:0"))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^load: expected a file that exists, got .*nope"):
        tp.load(tmp_path / "nope")
    with pytest.raises(IsADirectoryError, match=r"^load: expected a file, got the folder"):
        tp.load(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"^save: expected a folder that exists") as caught:
        tp.save({"a": _x()}, tmp_path / "missing" / "file")
    assert "partial" not in str(caught.value)


def test_a_device_decorates_functions() -> None:
    pytest.importorskip("array_api_strict")

    @tp.device("strict:0")
    def made(count: int) -> tp.Tensor:
        return tp.ones(count)

    assert str(made(2).device) == "strict:0"
    assert made.__name__ == "made"
    assert str(tp.ones(2).device) == "cpu"


def test_a_device_is_still_a_map_location(tmp_path: Path) -> None:
    tp.save({"a": _x()}, tmp_path / "file")
    assert tp.load(tmp_path / "file", map_location=tp.device("cpu"))["a"].tolist() == [1.0] * 3


@pytest.mark.parametrize(
    ("dtype", "resolution"),
    [(tp.float16, 1e-3), (tp.bfloat16, 1e-2), (tp.float32, 1e-6), (tp.float64, 1e-15)],
)
def test_resolution_is_a_power_of_ten(dtype: tp.dtype, resolution: float) -> None:
    assert tp.finfo(dtype).resolution == resolution
