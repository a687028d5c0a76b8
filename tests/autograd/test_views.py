"""Views alias their base, in values and in gradients, through every kind of view."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import tensorplug as tp

torch = pytest.importorskip("torch")

VIEWS = {
    "index int": lambda x: x[1],
    "index slice": lambda x: x[:, 1:3],
    "index step": lambda x: x[:, ::2],
    "index none": lambda x: x[None, :, 0],
    "index ellipsis": lambda x: x[..., 1],
    "view": lambda x: x.view(2, 6),
    "view -1": lambda x: x.view(-1),
    "reshape": lambda x: x.reshape(4, 3),
    "flatten": lambda x: x.flatten(),
    "unflatten": lambda x: x.unflatten(1, (2, 2)),
    "transpose": lambda x: x.transpose(0, 1),
    "permute": lambda x: x.permute(1, 0),
    "t": lambda x: x.t(),
    "T": lambda x: x.T,
    "mT": lambda x: x.mT,
    "movedim": lambda x: x.movedim(0, -1),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "squeeze": lambda x: x[:1].squeeze(0),
    "select": lambda x: x.select(1, -1),
    "narrow": lambda x: x.narrow(1, 1, 2),
    "diagonal": lambda x: x.diagonal(),
    "diagonal off": lambda x: x.diagonal(1, 1, 0),
    "unfold": lambda x: x.unfold(1, 2, 2),
    "as_strided": lambda x: x.as_strided((2, 2), (4, 2), 1),
    "expand 1": lambda x: x.unsqueeze(0).expand(1, 3, 4),
    "view_as": lambda x: x.view_as(x),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "chain": lambda x: x.t()[1:].unsqueeze(0).transpose(0, 2)[1],
    "chain 2": lambda x: x.view(2, 6)[:, 1:5].unflatten(1, (2, 2)).permute(2, 0, 1)[0].diagonal(),
}
DATA = np.arange(12.0).reshape(3, 4) / 7 + 0.2
WEIGHTS = np.cos(np.arange(12.0)).reshape(3, 4)


def values(result) -> np.ndarray:
    return np.asarray(result.detach().cpu())


@pytest.fixture(autouse=True, params=["cpu", "strict:0"])
def device(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test runs over native strides (NumPy) and over storage cells (array-api-strict)."""
    if request.param != "cpu":
        pytest.importorskip("array_api_strict")
    before = tp.get_default_device()
    tp.set_default_device(request.param)
    yield
    tp.set_default_device(before)


def both(program) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(zip(program(torch), program(tp), strict=True))


def agree(program) -> None:
    for expected, got in both(program):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@pytest.fixture(params=VIEWS, ids=str)
def look(request: pytest.FixtureRequest):
    return VIEWS[request.param]


def test_metadata_and_values_agree(look) -> None:
    x, y = torch.tensor(DATA), tp.tensor(DATA)
    expected, got = look(x), look(y)
    assert tuple(got.shape) == tuple(expected.shape)
    long = [dim for dim, size in enumerate(got.shape) if size > 1]
    assert [got.stride(d) for d in long] == [expected.stride(d) for d in long]
    assert got.storage_offset() == expected.storage_offset()
    assert got._base is y
    assert got.untyped_storage() == y.untyped_storage()
    np.testing.assert_array_equal(values(got), values(expected))


def test_write_is_seen_by_the_base(look) -> None:
    def program(m):
        x = m.tensor(DATA)
        before = x._version
        view = look(x)
        view.mul_(3)
        view.add_(1)
        return [values(x), values(view), np.asarray(x._version - before)]

    agree(program)


def test_write_to_the_base_is_seen_by_the_view(look) -> None:
    def program(m):
        x = m.tensor(DATA)
        view = look(x)
        x.mul_(2)
        return [values(view)]

    agree(program)


def test_first_and_second_gradients(look) -> None:
    def program(m):
        x = m.tensor(DATA, requires_grad=True)
        y = look(x * x * x)
        w = look(m.tensor(WEIGHTS))
        (g,) = m.autograd.grad((y * y * w).sum(), x, create_graph=True)
        (h,) = m.autograd.grad((g * g).sum(), x)
        return [values(y), values(g), values(h)]

    agree(program)


def test_gradients_after_a_write_through_the_view(look) -> None:
    def program(m):
        x = m.tensor(DATA, requires_grad=True)
        s = m.tensor(2.5, dtype=m.float64, requires_grad=True)
        y = x * x
        view = look(y)
        view.mul_(s)
        view.add_(0.5)
        out = (y * y * m.tensor(WEIGHTS)).sum() + (view * view).sum()
        g = m.autograd.grad(out, (x, s), create_graph=True)
        h = m.autograd.grad((g[0] * g[0]).sum() + g[1] * g[1], (x, s))
        return [values(y), values(view), *map(values, g), *map(values, h)]

    agree(program)


def test_gradients_of_a_view_after_a_write_to_the_base(look) -> None:
    def program(m):
        x = m.tensor(DATA, requires_grad=True)
        y = x * 2
        view = look(y)
        y.mul_(x)
        (g,) = m.autograd.grad((view * view).sum(), x)
        return [values(view), values(g)]

    agree(program)


def test_gradients_of_what_is_copied_into_a_view(look) -> None:
    def program(m):
        x = m.tensor(DATA)
        view = look(x)
        source = m.ones(tuple(view.shape), dtype=m.float64, requires_grad=True)
        view.copy_(source * 3)
        (g,) = m.autograd.grad((x * x * m.tensor(WEIGHTS)).sum(), source)
        return [values(x), values(g)]

    agree(program)


@pytest.mark.parametrize("name", ["split", "chunk", "unbind", "tensor_split"])
def test_parts_are_views(name) -> None:
    def program(m):
        x = m.tensor(DATA, requires_grad=True)
        parts = getattr(x * x, name)(*((1,) if name == "unbind" else (2, 1)))
        (g,) = m.autograd.grad((parts[1] * parts[0]).sum(), x, create_graph=True)
        (h,) = m.autograd.grad((g * g).sum(), x)
        return [*map(values, parts), values(g), values(h)]

    agree(program)
    x = tp.tensor(DATA)
    getattr(x, name)(*((1,) if name == "unbind" else (2, 1)))[0].zero_()
    assert x[:, 0].tolist() == [0.0, 0.0, 0.0]


def test_write_through_two_views_of_one_base() -> None:
    def program(m):
        x = m.tensor(DATA, requires_grad=True)
        y = x.sin()
        rows, columns = y[1], y[:, 2]
        rows.mul_(2)
        columns.mul_(rows[0] * 1)
        rows.exp_()
        (g,) = m.autograd.grad((y * y).sum() + columns.sum() + rows.prod(), x)
        return [values(y), values(rows), values(columns), values(g)]

    agree(program)


@pytest.mark.parametrize("layout", [((3, 3), (1, 1), 0), ((2, 3), (0, 2), 1), ((4,), (3,), 2)])
def test_as_strided_with_overlap(layout) -> None:
    def program(m):
        x = m.tensor(DATA, requires_grad=True)
        y = (x * x).as_strided(*layout)
        (g,) = m.autograd.grad((y * y * y).sum(), x, create_graph=True)
        (h,) = m.autograd.grad((g * g).sum(), x)
        return [values(y), values(g), values(h)]

    agree(program)


def test_as_strided_of_an_expanded_input() -> None:
    def program(m):
        x = m.tensor(DATA[0], requires_grad=True)
        y = (x * 1).expand(3, 4).as_strided((2, 2), (1, 1), 1)
        (g,) = m.autograd.grad((y * y).sum(), x)
        return [values(y), values(g)]

    agree(program)


@pytest.mark.parametrize("start", ["turned", "fresh"])
def test_write_through_as_strided_keeps_the_layout_of_the_base(start) -> None:
    def program(m):
        x = m.tensor(DATA, requires_grad=True)
        base = m.empty_strided((3, 4), (1, 3), dtype=m.float64)
        base.copy_(x) if start == "turned" else None
        y = base if start == "turned" else x * 1
        view = y.as_strided((2, 2), (3, 1), 1)
        view.mul_(2.5)
        out = (y * y * m.tensor(WEIGHTS)).sum() + (view * view).sum()
        (g,) = m.autograd.grad(out, x, create_graph=True)
        (h,) = m.autograd.grad((g * g).sum(), x)
        return [values(y), values(view), values(g), values(h)]

    agree(program)


def test_overlapping_windows_add_up() -> None:
    def program(m):
        x = m.tensor(DATA, requires_grad=True)
        y = (x * x).unfold(1, 3, 1).unfold(0, 2, 1)
        (g,) = m.autograd.grad((y * y).sum(), x, create_graph=True)
        (h,) = m.autograd.grad(g.sum(), x)
        return [values(y), values(g), values(h)]

    agree(program)


def test_complex_as_real_and_back() -> None:
    def program(m):
        x = m.tensor(DATA, requires_grad=True)
        z = m.view_as_complex((x * x).view(3, 2, 2))
        real = m.view_as_real(z * z)
        (g,) = m.autograd.grad((real * real).sum(), x, create_graph=True)
        (h,) = m.autograd.grad((g * g).sum(), x)
        return [values(real), values(g), values(h)]

    agree(program)


def test_write_through_complex_views() -> None:
    def program(m):
        x = m.tensor(DATA, requires_grad=True)
        y = x * 1
        m.view_as_complex(y.view(3, 2, 2))[1].mul_(2j)
        (g,) = m.autograd.grad((y * y * m.tensor(WEIGHTS)).sum(), x)
        return [values(y), values(g)]

    agree(program)


def test_view_of_another_dtype_shares_memory() -> None:
    x = tp.tensor([1.0, 2.0])
    bits = x.view(tp.int32)
    bits[0] = 0
    assert x.tolist() == [0.0, 2.0]
    assert tuple(x.view(tp.uint8).shape) == (8,)
    assert x.view(tp.int64).shape == (1,)
    with pytest.raises(RuntimeError, match="view_dtype"):
        tp.zeros(3).view(tp.float64)


@pytest.mark.parametrize("write", [lambda x: x.add_(1), lambda x: x.copy_(tp.zeros(3)),
                                   lambda x: x.__setitem__(slice(None), 1.0)])  # fmt: skip
def test_expanded_tensors_refuse_writes(write) -> None:
    x = tp.zeros(1).expand(3)
    with pytest.raises(RuntimeError, match="single memory location"):
        write(x)


def test_detached_tensors_share_memory_and_version() -> None:
    x = tp.tensor([1.0, 2.0], requires_grad=True)
    y = (x * 2).exp()
    y.detach().zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize(
    ("name", "args"),
    [("unsqueeze_", (0,)), ("transpose_", (0, 1)), ("t_", ()), ("squeeze_", ()),
     ("swapaxes_", (1, 0))],
)  # fmt: skip
def test_in_place_views(name, args) -> None:
    def program(m):
        x = m.tensor(DATA, requires_grad=True)
        y = x * x
        same = getattr(y, name)(*args) is y
        view = y[0]
        getattr(view, name)(*((0,) if name == "unsqueeze_" else ())) if args == () else None
        y.mul_(2)
        (g,) = m.autograd.grad((y * y).sum(), x)
        return [np.asarray(same), np.asarray(y.shape), values(g)]

    agree(program)


@pytest.mark.parametrize("name", ["unsqueeze_", "t_", "squeeze_", "transpose_"])
def test_views_made_before_an_in_place_view_keep_their_place(name) -> None:
    args = {"unsqueeze_": (0,), "transpose_": (0, 1)}.get(name, ())

    def program(m):
        x = m.tensor(DATA, requires_grad=True)
        y = x * 1
        early = y[1]
        getattr(y, name)(*args)
        between = y[0]
        getattr(y, name)(*args)
        early.mul_(m.tensor([2.0, 3.0, 4.0, 5.0], dtype=m.float64))
        between.mul_(7)
        early.exp_()
        weights = m.tensor(WEIGHTS).reshape(tuple(y.shape))
        (g,) = m.autograd.grad((y * y * weights).sum() + (between * between).sum(), x)
        return [np.asarray(y._version), values(y), values(early), values(between), values(g)]

    agree(program)


def test_an_in_place_view_counts_as_a_write() -> None:
    x = tp.tensor(DATA, requires_grad=True)
    y = x * 1
    out = y * y
    y.t_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_views_of_a_resized_tensor_refuse_gradients() -> None:
    for change in (lambda x: x.resize_(2, 2), lambda x: x.set_(tp.ones(3, dtype=tp.float64))):
        x = tp.tensor(DATA)
        view = x[1]
        change(x)
        view.add_(1)  # without gradients it is only memory
        with pytest.raises(RuntimeError, match="resize_ or set_"):
            view.mul_(tp.ones(4, dtype=tp.float64, requires_grad=True))


def test_in_place_views_refuse_leaves() -> None:
    with pytest.raises(RuntimeError, match="leaf"):
        tp.ones(2, requires_grad=True).unsqueeze_(0)
    with tp.no_grad():
        assert tp.ones(2, requires_grad=True).unsqueeze_(0).shape == (1, 2)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: x.view(5), "invalid for input of size 12"),
        (lambda x: x.view(-1, -1), "only one dimension can be inferred"),
        (lambda x: x.view(-2, 6), "invalid shape dimension"),
        (lambda x: x.t().view(12), "view size is not compatible"),
        (lambda x: x.expand(2, 4), "must match the existing size"),
        (lambda x: x.expand(4), "number of sizes"),
        (lambda x: x.permute(0), "does not match the length"),
        (lambda x: x.permute(0, 0), "repeated dim"),
        (lambda x: x.diagonal(0, 1, 1), "cannot be identical"),
        (lambda x: x.unfold(0, 4, 1), "maximum size"),
        (lambda x: x.as_strided((5, 5), (4, 1)), "out of bounds"),
        (lambda x: x.split(-1), "non-negative"),
        (lambda x: x.split([1, 1]), "sum exactly"),
        (lambda x: x.chunk(0), "greater than 0"),
        (lambda x: x.narrow(0, 2, 2), "exceeds dimension size"),
        (lambda x: x[0].mT, "matrices"),
        (lambda x: x[None].t(), "2 dimensions"),
        (lambda x: tp.view_as_complex(x), "last dimension of size 2"),
    ],
)
def test_errors_name_rule_and_value(call, text) -> None:
    with pytest.raises(RuntimeError, match=text):
        call(tp.tensor(DATA))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.transpose(0, 2), lambda x: x.unsqueeze(4), lambda x: x.squeeze(2),
        lambda x: x.select(0, 3), lambda x: x.select(2, 0), lambda x: x.flatten(0, 2),
        lambda x: x.unbind(2), lambda x: x.movedim(0, 2), lambda x: x.narrow(0, 4, 0),
    ],
)  # fmt: skip
def test_dimensions_out_of_range(call) -> None:
    with pytest.raises(IndexError):
        call(tp.tensor(DATA))
