"""Matrix products of every shape and layout, and what factorisations must satisfy.

Products are compared with NumPy in float64 within the rounding of a sum of so many terms: a type
with fewer digits inside (TF32, bfloat16) does not pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tensorplug as tp
from tensorplug.backends.dtypes import DType
from tensorplug.conformance.checks import call, check, f32, f64, few, floats_of, on, refuses
from tensorplug.conformance.reference import array_of

pytestmark = pytest.mark.shared


@pytest.fixture
def floats(device: str, thorough: bool) -> list[DType]:
    """The types to try."""
    return floats_of(device, thorough)


def matrix(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def products(device: str, name: str, a: np.ndarray, b: np.ndarray, dtype: DType) -> None:
    """One product within the rounding of its sums."""
    x, y = a.astype(dtype.numpy), b.astype(dtype.numpy)
    wide = x.astype(np.float64), y.astype(np.float64)
    want = np.asarray(np.matmul(*wide))
    sizes = np.asarray(np.matmul(*(np.abs(w) for w in wide)))
    got = array_of(call(device, name, x, y))
    assert got.shape == want.shape, f"{name} of {a.shape}, {b.shape} on {device}: {got.shape}"
    eps = float(tp.finfo(dtype).eps)
    inner = 2.0**-23 if dtype.itemsize == 2 else eps
    bound = (a.shape[-1] + 2) * inner * sizes + (eps * np.abs(want) if dtype.itemsize == 2 else 0)
    wrong = ~(np.abs(got - want) <= bound + 1e-300)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        pytest.fail(
            f"{name}({dtype}) of shapes {a.shape} and {b.shape} on {device}: expected "
            f"{want[at]!r} at {at}, got {got[at]!r}, allowed {bound[at]:.3g} ({wrong.sum()} of "
            f"{wrong.size} elements)"
        )


SHAPES = [
    ((3,), (3,)), ((4,), (4, 3)), ((3, 4), (4,)), ((1, 1), (1, 1)), ((2, 3), (3, 4)),
    ((7, 33), (33, 5)), ((33, 7), (7, 17)), ((1, 65), (65, 1)), ((17, 1), (1, 9)),
    ((5, 3, 4), (4, 2)), ((3, 4), (5, 4, 2)), ((5, 3, 4), (5, 4, 2)), ((1, 3, 4), (5, 4, 2)),
    ((2, 1, 3, 4), (5, 4, 2)), ((4,), (2, 4, 3)), ((2, 3, 4), (4,)), ((2, 5, 1, 3), (1, 5, 3, 2)),
    ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((2, 3), (3, 0)), ((0, 2, 3), (3, 2)), ((0,), (0,)),
    ((3, 2, 0), (0, 4)), ((129, 65), (65, 31)),
]  # fmt: skip


@pytest.mark.parametrize(("one", "two"), SHAPES)
def test_products_of_every_shape(
    device: str, one: tuple[int, ...], two: tuple[int, ...], floats: list[DType]
) -> None:
    for dtype in floats:
        products(device, "matmul", matrix(*one), matrix(*two, seed=1), dtype)


def test_products_of_views(device: str) -> None:
    """Transposed, strided, broadcast and reversed operands in both places."""
    a, b = matrix(6, 8), matrix(8, 10, seed=1)
    x, y = on(device, a), on(device, b)
    ways: list[tuple[Any, Any, np.ndarray]] = [
        (x.t().contiguous().t(), y, a @ b), (x, y.t().contiguous().t(), a @ b),
        (y.t(), x.t(), b.T @ a.T), (x[::2, ::2], y[1::2], a[::2, ::2] @ b[1::2]),
        (x[:, 1:4], y[2:5, ::3], a[:, 1:4] @ b[2:5, ::3]),
        (x.flip(1), y.flip(0), a[:, ::-1] @ b[::-1]),
        (x[:1].expand(3, 8), y, np.broadcast_to(a[:1], (3, 8)) @ b),
        (x[:, 0].reshape(6, 1), y[0].reshape(1, 10), np.outer(a[:, 0], b[0])),
        (x.reshape(2, 3, 8).transpose(0, 1), y, a.reshape(2, 3, 8).transpose(1, 0, 2) @ b),
    ]  # fmt: skip
    for i, (left, right, want) in enumerate(ways):
        got = array_of(left @ right)
        assert np.allclose(got, want, rtol=1e-12, atol=1e-13), f"product {i} of views on {device}"


@pytest.mark.parametrize("name", ["mm", "bmm", "mv", "dot", "inner", "outer", "vdot"])
def test_products_by_other_names(device: str, name: str) -> None:
    shapes = {"mm": ((3, 5), (5, 2)), "bmm": ((4, 3, 5), (4, 5, 2)), "mv": ((3, 5), (5,)),
              "dot": ((7,), (7,)), "inner": ((3, 5), (2, 5)), "outer": ((3,), (5,)),
              "vdot": ((7,), (7,))}[name]  # fmt: skip
    a, b = matrix(*shapes[0]), matrix(*shapes[1], seed=1)
    own: dict[str, Any] = {"inner": np.inner, "outer": np.outer, "vdot": np.vdot}
    function = own.get(name, np.matmul)
    check(device, name, a, b, want=np.asarray(function(a, b)), rtol=1e-12, atol=1e-13)
    z = a + 1j * a[::-1]
    w = b - 0.5j * b[::-1]
    check(device, name, z, w, want=np.asarray(function(z, w)), rtol=1e-12, atol=1e-13)


def test_sums_of_products(device: str) -> None:
    m, a, b, v = matrix(3, 4), matrix(3, 5, seed=1), matrix(5, 4, seed=2), matrix(5, seed=3)
    tol: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-13}
    check(device, "addmm", m, a, b, want=m + a @ b, **tol)
    check(device, "addmm", m, a, b, beta=0.5, alpha=-2.0, want=0.5 * m - 2 * (a @ b), **tol)
    check(device, "addmm", m[:1], a, b, want=m[:1] + a @ b, **tol)
    check(device, "addmv", m[:, 0], a, v, beta=2.0, want=2 * m[:, 0] + a @ v, **tol)
    batch = matrix(2, 3, 5), matrix(2, 5, 4, seed=1)
    check(device, "baddbmm", m, *batch, alpha=3.0, want=m + 3 * np.matmul(*batch), **tol)
    check(device, "addbmm", m, *batch, want=m + np.matmul(*batch).sum(0), **tol)
    check(device, "addr", m, a[:, 0], b[0], want=m + np.outer(a[:, 0], b[0]), **tol)
    lost = np.full((3, 4), np.nan)  # with beta=0, what was there does not count
    check(device, "addmm", lost, a, b, beta=0, want=a @ b, **tol)
    check(device, "nn.functional.linear", a, b.T.copy(), m[0], want=a @ b + m[0], **tol)
    check(device, "nn.functional.linear", batch[0], b.T.copy(), want=batch[0] @ b, **tol)


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("ij,jk->ik", ((3, 4), (4, 5))), ("ij->ji", ((3, 4),)), ("ii->i", ((4, 4),)),
        ("ij,ij->", ((3, 4), (3, 4))), ("bij,bjk->bik", ((2, 3, 4), (2, 4, 5))),
        ("...i,...i->...", ((2, 3, 4), (3, 4))), ("i,j,k->kji", ((2,), (3,), (4,))),
        ("ijk->k", ((2, 3, 4),)), ("bhqd,bhkd->bhqk", ((2, 2, 3, 4), (2, 2, 5, 4))),
    ],
)  # fmt: skip
def test_sums_in_index_notation(device: str, text: str, shapes: Any) -> None:
    arrays = [matrix(*shape, seed=i) for i, shape in enumerate(shapes)]
    check(device, "einsum", text, *arrays, want=np.asarray(np.einsum(text, *arrays)), rtol=1e-12,
          atol=1e-13)  # fmt: skip


def test_nan_and_infinity_go_through_products(device: str) -> None:
    a, b = np.eye(3), np.ones((3, 2))
    a[1, 1], b[2, 0] = np.nan, np.inf
    with np.errstate(all="ignore"):
        want = np.array([[np.nan, 1], [np.nan, np.nan], [np.inf, 1]])
    check(device, "matmul", a, b, want=want)
    check(device, "matmul", f32([[1e30]]), f32([[1e30]]), want=f32([[np.inf]]))


# --- factorisations ------------------------------------------------------------------------------

LINALG = pytest.mark.needs("linalg")


def near(device: str, what: str, got: np.ndarray, want: np.ndarray, bound: float) -> None:
    scale = max(1.0, float(np.abs(want).max(initial=0)))
    off = float(np.abs(got - want).max(initial=0))
    assert got.shape == want.shape, f"{what} on {device}: shape {got.shape}, not {want.shape}"
    assert off <= bound * scale, f"{what} on {device}: off by {off:.3g}, allowed {bound * scale:g}"


def values_of(found: Any) -> list[np.ndarray]:
    return [array_of(x) for x in found]


@LINALG
@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (7, 7), (2, 4, 4)])
def test_solving_and_inverting(device: str, shape: tuple[int, ...]) -> None:
    a = matrix(*shape) + 3 * np.eye(shape[-1])
    b = matrix(*shape[:-1], 2, seed=1)
    near(
        device, "solve", array_of(call(device, "linalg.solve", a, b)), np.linalg.solve(a, b), 1e-11
    )
    near(device, "inv", array_of(call(device, "linalg.inv", a)), np.linalg.inv(a), 1e-11)
    near(device, "det", array_of(call(device, "linalg.det", a)), np.linalg.det(a), 1e-11)
    sign, log = values_of(call(device, "linalg.slogdet", a))
    wants = np.linalg.slogdet(a)
    near(device, "slogdet", sign, np.asarray(wants[0]), 1e-12)
    near(device, "slogdet", log, np.asarray(wants[1]), 1e-11)
    swapped = a[..., ::-1, :].copy()  # one exchange of rows more or less changes the sign
    near(
        device, "det", array_of(call(device, "linalg.det", swapped)), np.linalg.det(swapped), 1e-11
    )


@LINALG
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (3, 5), (4, 4), (2, 4, 3)])
def test_factors_give_the_matrix_back(device: str, shape: tuple[int, ...]) -> None:
    a = matrix(*shape, seed=2)
    small = min(shape[-2:])
    for mode in ("reduced", "complete"):
        q, r = values_of(call(device, "linalg.qr", a, mode=mode))
        near(device, f"q @ r, {mode}", q @ r, a, 1e-12)
        near(device, "q' @ q", np.swapaxes(q, -1, -2) @ q, np.broadcast_to(
            np.eye(q.shape[-1]), (*q.shape[:-2], q.shape[-1], q.shape[-1])), 1e-12)  # fmt: skip
        near(device, "below r", np.tril(r, -1), np.zeros_like(r), 1e-12)
    u, s, vh = values_of(call(device, "linalg.svd", a, full_matrices=False))
    near(device, "u s vh", (u * s[..., None, :]) @ vh, a, 1e-12)
    near(device, "svdvals", s, np.linalg.svd(a, compute_uv=False), 1e-12)
    assert (np.diff(s, axis=-1) <= 0).all(), f"svd on {device}: not in falling order"
    near(device, "u' u", np.swapaxes(u, -1, -2) @ u, np.broadcast_to(
        np.eye(small), (*u.shape[:-2], small, small)), 1e-12)  # fmt: skip
    near(device, "pinv", array_of(call(device, "linalg.pinv", a)), np.linalg.pinv(a), 1e-11)


@LINALG
@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (2, 3, 3)])
def test_symmetric_matrices(device: str, shape: tuple[int, ...]) -> None:
    a = matrix(*shape, seed=3)
    spd = a @ np.swapaxes(a, -1, -2) + shape[-1] * np.eye(shape[-1])
    factor = array_of(call(device, "linalg.cholesky", spd))
    near(device, "cholesky", factor, np.linalg.cholesky(spd), 1e-12)
    upper = array_of(call(device, "linalg.cholesky", spd, upper=True))
    near(device, "cholesky upper", upper, np.swapaxes(factor, -1, -2), 1e-12)
    values, vectors = values_of(call(device, "linalg.eigh", spd))
    near(device, "eigh values", values, np.linalg.eigvalsh(spd), 1e-12)
    near(device, "a v = v w", spd @ vectors, vectors * values[..., None, :], 1e-11)
    half = np.tril(spd) + 99 * np.triu(np.ones_like(spd), 1)  # only one triangle is read
    near(device, "eigvalsh", array_of(call(device, "linalg.eigvalsh", half)), values, 1e-12)
    near(device, "cholesky", array_of(call(device, "linalg.cholesky", half)), factor, 1e-12)


@LINALG
def test_triangular_systems_read_one_triangle(device: str) -> None:
    a, b = matrix(4, 4, seed=4) + 4 * np.eye(4), matrix(4, 2, seed=5)
    for upper in (False, True):
        part = np.triu(a) if upper else np.tril(a)
        got = array_of(call(device, "linalg.solve_triangular", a, b, upper=upper))
        near(device, f"solve_triangular upper={upper}", part @ got, b, 1e-12)
        one = part - np.diag(np.diag(part)) + np.eye(4)
        got = array_of(
            call(device, "linalg.solve_triangular", a, b, upper=upper, unitriangular=True)
        )
        near(device, "unitriangular", one @ got, b, 1e-12)
        got = array_of(
            call(device, "linalg.solve_triangular", a, b.T.copy(), upper=upper, left=False)
        )
        near(device, "from the right", got @ part, b.T, 1e-12)


@LINALG
def test_norms(device: str) -> None:
    a = matrix(4, 3, seed=6)
    for order in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
        want = np.asarray(np.linalg.norm(a, order))
        check(device, "linalg.matrix_norm", a, order, want=want, rtol=1e-12)
    for order in (0, 1, 2, 3, 0.5, np.inf, -np.inf, -2):
        want = np.asarray(np.linalg.norm(a[:, 0], order))
        check(device, "linalg.vector_norm", a[:, 0].copy(), order, want=want, rtol=1e-12)
    check(device, "linalg.matrix_power", a[:3], -2, want=np.linalg.matrix_power(a[:3], -2),
          rtol=1e-9, atol=1e-9)  # fmt: skip


def test_parts_of_matrices(device: str, thorough: bool) -> None:
    a = matrix(2, 4, 5)
    for k in few(device, (-4, -1, 0, 2, 5), thorough, 3):
        check(device, "tril", a, k, want=np.tril(a, k))
        check(device, "triu", a, k, want=np.triu(a, k))
        check(device, "diagonal", a, k, 1, 2, want=np.diagonal(a, k, 1, 2))
    check(device, "trace", a[0], want=np.asarray(np.trace(a[0])), rtol=1e-14)
    check(device, "kron", a[0], a[1, :2], want=np.kron(a[0], a[1, :2]))
    check(device, "cross", a[0, :, :3].copy(), a[1, :, :3].copy(),
          want=np.cross(a[0, :, :3], a[1, :, :3]), rtol=1e-12)  # fmt: skip


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("matmul", ((2, 3), (4, 2))), ("matmul", ((3,), (4,))), ("matmul", ((), (3,))),
        ("matmul", ((2, 3, 4), (3, 4, 2))), ("mm", ((3,), (3, 2))), ("mm", ((2, 3, 4), (4, 2))),
        ("bmm", ((2, 3, 4), (3, 4, 2))), ("bmm", ((3, 4), (4, 2))), ("mv", ((3, 4), (3,))),
        ("dot", ((3,), (4,))), ("dot", ((2, 2), (2, 2))), ("outer", ((2, 2), (2,))),
        ("addmm", ((4, 4), (2, 3), (3, 2))), ("nn.functional.linear", ((2, 3), (4, 2))),
        ("cross", ((2, 4), (2, 4))), ("trace", ((2, 2, 2),)),
        ("nn.functional.bilinear", ((2, 3), (2, 4), (5, 4, 3))),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit(device: str, name: str, shapes: Any) -> None:
    refuses(device, name, *(matrix(*shape) for shape in shapes), words=(name.split(".")[-1],))


@LINALG
@pytest.mark.parametrize(
    ("name", "a"),
    [
        ("linalg.inv", f64([[1, 2], [2, 4]])), ("linalg.cholesky", f64([[1, 2], [2, 1]])),
        ("linalg.inv", f64([[1, 2, 3], [2, 4, 5]])), ("linalg.det", f64([1, 2])),
        ("linalg.eigh", f64([[1, 2, 3], [2, 4, 5]])), ("linalg.svd", f64([1.0])),
        ("linalg.cholesky", np.array([[1, 0], [0, 1]])), ("linalg.qr", np.array([[1, 0], [0, 1]])),
    ],
)  # fmt: skip
def test_matrices_without_an_answer(device: str, name: str, a: np.ndarray) -> None:
    refuses(device, name, a)


@LINALG
def test_singular_systems_are_refused(device: str) -> None:
    refuses(device, "linalg.solve", f64([[1, 1], [1, 1]]), f64([1, 2]))
    refuses(device, "linalg.solve", f64(np.eye(3)), f64([1, 2]))
    refuses(device, "einsum", "ij,jk->ik", matrix(2, 3), matrix(2, 3))
    refuses(device, "einsum", "ij->ijk", matrix(2, 3))
