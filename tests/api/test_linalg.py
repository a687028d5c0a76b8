"""Products, linear algebra and Fourier transforms: against NumPy, SciPy and what must hold."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import tensorplug as tp

RNG = np.random.default_rng(7)
TYPES = [tp.float32, tp.float64, tp.complex64, tp.complex128]
SHAPES = [(3, 3), (4, 2), (2, 4), (2, 3, 3), (2, 1, 4, 2), (0, 3), (3, 0), (0, 0), (0, 3, 3)]


def make(*shape: int, dtype: Any = tp.float64, grad: bool = False) -> tp.Tensor:
    values = RNG.normal(size=shape)
    if dtype.is_complex:
        values = values + 1j * RNG.normal(size=shape)
    return tp.tensor(values, dtype=dtype, requires_grad=grad)


def definite(*shape: int, dtype: Any = tp.float64) -> tp.Tensor:
    x = make(*shape, dtype=dtype)
    return x @ x.mH + shape[-1] * tp.eye(shape[-1], dtype=dtype)


def close(x: tp.Tensor, y: Any, scale: float = 1.0) -> None:
    want = y.detach().numpy() if isinstance(y, tp.Tensor) else np.asarray(y)
    assert tuple(x.shape) == want.shape
    rough = x.dtype in (tp.float32, tp.complex64)
    limit = scale * (2e-4 if rough else 1e-10)
    np.testing.assert_allclose(x.detach().numpy(), want, rtol=limit, atol=limit)


# --- products ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("one", "two"),
    [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 2, 3), (3, 2)), ((3,), (2, 3, 2)),
     ((2, 1, 2, 3), (4, 3, 2)), ((2, 0), (0, 3)), ((0, 2, 3), (3, 2)), ((2, 2, 3), (3,))],
)  # fmt: skip
def test_matmul_is_numpys(dtype: Any, one: tuple[int, ...], two: tuple[int, ...]) -> None:
    x, y = make(*one, dtype=dtype), make(*two, dtype=dtype)
    close(x @ y, np.matmul(x.numpy(), y.numpy()))
    if dtype is tp.float64:
        assert tp.autograd.gradcheck(tp.matmul, (x.requires_grad_(), y.requires_grad_()))
        assert tp.autograd.gradgradcheck(tp.matmul, (x, y))


@pytest.mark.parametrize("dtype", [tp.float16, tp.bfloat16])
def test_half_products_add_up_in_float32(dtype: Any) -> None:
    x = tp.full((1, 4096), 1.0, dtype=dtype)
    found = x @ tp.full((4096, 1), 1.0, dtype=dtype)
    assert found.dtype is dtype
    assert found.item() == 4096


def test_matmul_operator_promotes() -> None:
    x, y = make(2, 3, dtype=tp.float32).requires_grad_(), make(3, 2).requires_grad_()
    found = x @ y
    assert found.dtype is tp.float64
    found.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype is tp.float32


def test_matmul_says_what_does_not_fit() -> None:
    with pytest.raises(RuntimeError, match=r"matmul: expected .* 3, .* 4, got \(2, 3\) and \(4, 3"):
        make(2, 3) @ make(4, 3)
    with pytest.raises(RuntimeError, match=r"batch dimensions that broadcast, got \(2,\) and \(3,"):
        make(2, 3, 3) @ make(3, 3, 3)
    with pytest.raises(RuntimeError, match=r"same dtype, got .*float64 and .*float32"):
        tp.matmul(make(2, 3), make(3, 2, dtype=tp.float32))
    with pytest.raises(RuntimeError, match="at least 1 dimension"):
        make() @ make(3)
    with pytest.raises(TypeError, match="the number 2"):
        make(2, 2) @ 2
    with pytest.raises(RuntimeError, match="not implemented for 'bool'"):
        tp.ones(2, 2, dtype=tp.bool) @ tp.ones(2, 2, dtype=tp.bool)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: tp.mm(make(2, 3), make(3)), r"mm: expected 2-D and 2-D .* \(2, 3\) and \(3,\)"),
        (lambda: tp.bmm(make(2, 3, 3), make(3, 3, 3)), r"bmm: expected batches of one size"),
        (lambda: tp.dot(make(2), make(3)), r"dot: expected vectors of one length, got \(2,\)"),
        (lambda: tp.outer(make(2, 2), make(3)), r"outer: expected 1-D tensors, got \(2, 2\)"),
        (lambda: tp.addmm(make(5), make(2, 3), make(3, 4)), r"expands to \(2, 4\), got \(5,\)"),
        (lambda: tp.tensordot(make(2, 3), make(4, 2), 1), r"one size, got 3 .* and 4"),
        (lambda: tp.cdist(make(2, 3), make(2, 4)), r"cdist: expected shapes \(\.\.\., n, d\)"),
        (lambda: tp.cross(make(2), make(2)), r"cross: expected a dimension of size 3"),
        (lambda: tp.linalg.inv(make(2, 3)), r"linalg.inv: expected square matrices, got .*\(2, 3"),
        (lambda: tp.linalg.inv(make(3)), r"at least 2 dimensions"),
        (lambda: tp.linalg.inv(tp.eye(2).half()), r"expected a float32.*, got .*float16"),
        (lambda: tp.linalg.solve(make(3, 3), make(2, 2)), r"linalg.solve: expected B to fit A"),
        (lambda: tp.linalg.qr(make(3, 3), "some"), r"linalg.qr: expected mode .* got 'some'"),
        (lambda: tp.linalg.multi_dot([make(2, 2)]), r"at least 2 tensors, got 1"),
        (lambda: tp.fft.fft(make(3), norm="no"), r"fft.fft: expected norm .* got 'no'"),
        (lambda: tp.fft.fft(make(3), 0), r"at least 1 data point, got 0"),
        (lambda: tp.fft.rfft(make(3, dtype=tp.complex64)), r"expected a real input tensor"),
    ],
)  # fmt: skip
def test_errors_name_the_op_and_the_values(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(RuntimeError, match=text):
        call()


def test_a_factor_of_zero_drops_the_added_term() -> None:
    nan = tp.full((2, 2), math.nan)
    assert not tp.addmm(nan, tp.ones(2, 2), tp.ones(2, 2), beta=0).isnan().any()


# --- einsum --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]), ("ii->i", [(3, 3)]), ("ii", [(3, 3)]),
        ("iij,jkk->ik", [(2, 2, 3), (3, 4, 4)]), ("...i,...i->...", [(2, 3), (1, 3)]),
        ("bij,bjk", [(2, 3, 4), (2, 4, 2)]),
        ("abc,cd,db,ae->e", [(2, 3, 4), (4, 5), (5, 3), (2, 6)]),
        ("i,i,i->", [(4,)] * 3), ("ab,ab->ba", [(2, 3)] * 2), ("a,b->", [(2,), (3,)]),
        ("...ab->...ba", [(2, 3, 4)]), (" i j , j -> i ", [(2, 3), (3,)]),
    ],
)  # fmt: skip
def test_einsum_is_numpys(equation: str, shapes: list[tuple[int, ...]]) -> None:
    operands = [make(*shape, grad=True) for shape in shapes]
    want = np.einsum(equation.replace(" ", ""), *(x.detach().numpy() for x in operands))
    close(tp.einsum(equation, *operands), want)
    assert tp.autograd.gradcheck(lambda *xs: tp.einsum(equation, *xs), operands)


def test_einsum_takes_sublists() -> None:
    x, y = make(2, 3), make(3, 4)
    close(tp.einsum(x, [0, 1], y, [1, 2], [2, 0]), (x @ y).mT)
    close(tp.einsum(x, [0, 1], y, [1, 2]), x @ y)
    close(tp.einsum(x, [..., 5], [5, ...]), x.mT)


@pytest.mark.parametrize(
    ("equation", "text"),
    [
        ("ij,jk->ik", "fewer operands were provided"), ("i->i", "number of subscripts"),
        ("i$->i", "invalid subscript"), ("ij->ii", "more than once"), ("ij->ik", "does not appear"),
        ("ii->i", "repeated subscript"),
    ],
)  # fmt: skip
def test_einsum_says_what_is_wrong(equation: str, text: str) -> None:
    with pytest.raises(RuntimeError, match=text):
        tp.einsum(equation, make(2, 3))


# --- factorisations ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_factors_multiply_to_the_matrix(shape: tuple[int, ...], dtype: Any) -> None:
    x = make(*shape, dtype=dtype)
    U, S, Vh = tp.linalg.svd(x, full_matrices=False)
    assert S.dtype is dtype.to_real()
    close((U * S.unsqueeze(-2).to(dtype)) @ Vh, x)
    close(tp.linalg.svdvals(x), S)
    for mode in ("reduced", "complete"):
        Q, R = tp.linalg.qr(x, mode)
        close(Q @ R, x)
        close(R.triu(), R)
    P, L, U = tp.linalg.lu(x)
    close(P @ L @ U, x)
    packed, pivots = tp.linalg.lu_factor(x)
    close(packed, L.tril(-1)[..., : shape[-1]] + U if shape[-2] == shape[-1] else packed)
    assert pivots.dtype is tp.int32


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3), (0, 0), (0, 2, 2)])
def test_hermitian_and_general_eigenvalues(shape: tuple[int, ...], dtype: Any) -> None:
    x = definite(*shape, dtype=dtype)
    w, V = tp.linalg.eigh(x)
    close((V * w.unsqueeze(-2).to(dtype)) @ V.mH, x)
    close(tp.linalg.eigvalsh(x), w)
    L = tp.linalg.cholesky(x)
    close(L @ L.mH, x)
    close(tp.linalg.cholesky(x, upper=True), L.mH)
    values, vectors = tp.linalg.eig(x)
    assert values.dtype is dtype.to_complex()
    close(x.to(vectors.dtype) @ vectors, vectors * values.unsqueeze(-2), scale=10)


def test_eig_is_complex_and_differentiable_where_values_turn() -> None:
    x = tp.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=tp.float64, requires_grad=True)
    values = tp.linalg.eigvals(x)
    assert sorted(values.detach().imag.tolist()) == pytest.approx([-1, 1])
    assert tp.autograd.gradcheck(lambda a: tp.linalg.eigvals(a).abs(), x)


# --- solutions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TYPES)
def test_solutions_solve(dtype: Any) -> None:
    A, B, b = definite(2, 3, 3, dtype=dtype), make(2, 3, 2, dtype=dtype), make(2, 3, dtype=dtype)
    close(A @ tp.linalg.solve(A, B), B)
    close((A @ tp.linalg.solve(A, b).unsqueeze(-1)).squeeze(-1), b)
    close(tp.linalg.solve(A, B.mT, left=False) @ A, B.mT)
    close(A @ tp.linalg.inv(A), tp.eye(3, dtype=dtype).expand(2, 3, 3))
    close(A @ tp.cholesky_solve(B, tp.linalg.cholesky(A)), B)
    close(tp.linalg.lu_solve(*tp.linalg.lu_factor(A), B), tp.linalg.solve(A, B))
    close(tp.linalg.lu_solve(*tp.linalg.lu_factor(A), B.mT, left=False) @ A, B.mT)
    for upper in (True, False):
        T = A.triu() if upper else A.tril()
        close(T @ tp.linalg.solve_triangular(A, B, upper=upper), B)
        close(tp.linalg.solve_triangular(A, B.mT, upper=upper, left=False) @ T, B.mT)


def test_a_zero_on_a_triangles_diagonal_gives_inf_and_no_error() -> None:
    T = tp.tensor([[1.0, 1.0], [0.0, 0.0]])
    assert tp.linalg.solve_triangular(T, tp.ones(2, 1), upper=True).isinf().any()


@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 3), (2, 4, 2)])
def test_least_squares_are_scipys(shape: tuple[int, ...]) -> None:
    A, B = make(*shape), make(*shape[:-1], 3)
    found = tp.linalg.lstsq(A, B, driver="gelsd")
    if len(shape) == 2:
        want = scipy.linalg.lstsq(A.numpy(), B.numpy())
        close(found.solution, want[0])
        close(found.singular_values, want[3])
        assert found.rank.item() == want[2]
        if shape == (4, 2):
            close(found.residuals, want[1])
    close(tp.linalg.pinv(A), np.linalg.pinv(A.numpy()))


def test_singular_matrices_are_named_and_info_tells() -> None:
    x = tp.tensor([[[1.0, 2.0], [2.0, 4.0]], [[1.0, 0.0], [0.0, 1.0]]])
    for call in (tp.linalg.inv, lambda a: tp.linalg.solve(a, a)):
        with pytest.raises(tp.linalg.LinAlgError, match="an invertible matrix, got a sing"):
            call(x)
    with pytest.raises(tp.linalg.LinAlgError, match=r"linalg\.cholesky: expected a positive-def"):
        tp.linalg.cholesky(-x)
    inverse, info = tp.linalg.inv_ex(x)
    assert info.tolist() == [2, 0]
    close(inverse[1], np.eye(2))
    factor, info = tp.linalg.cholesky_ex(x)
    assert info.tolist() == [2, 0]
    close(factor[1], np.eye(2))


# --- derivatives at hard places ------------------------------------------------------------------


@pytest.mark.parametrize("rank", [3, 2, 1])
def test_determinants_have_derivatives_where_they_vanish(rank: int) -> None:
    x = (make(3, rank) @ make(rank, 3)).requires_grad_()
    (found,) = tp.autograd.grad(tp.linalg.det(x), x)
    minors = [
        [(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(x.detach().numpy(), i, 0), j, 1))
         for j in range(3)] for i in range(3)
    ]  # fmt: skip
    close(found, minors)


def test_singular_values_may_repeat_when_only_they_are_used() -> None:
    x = tp.eye(3, dtype=tp.float64).requires_grad_()
    (found,) = tp.autograd.grad(tp.linalg.svd(x).S.sum(), x)
    close(found, np.eye(3))
    (found,) = tp.autograd.grad(tp.linalg.eigh(x).eigenvalues.sum(), x)
    close(found, np.eye(3))


@pytest.mark.parametrize("name", ["svd", "eigh", "eig"])
def test_a_loss_must_not_depend_on_phases(name: str) -> None:
    x = definite(3, 3, dtype=tp.complex128).requires_grad_()
    vectors = getattr(tp.linalg, name)(x)[0 if name == "svd" else 1]
    loss = (vectors * make(3, 3, dtype=tp.complex128)).real.sum()
    with pytest.raises(RuntimeError, match=rf"linalg\.{name}: expected a loss .* ill-defined"):
        loss.backward()


def test_complete_qr_of_a_tall_matrix_has_no_derivative() -> None:
    x = make(3, 2, grad=True)
    with pytest.raises(RuntimeError, match=r"mode='complete' and shape \(3, 2\)"):
        tp.linalg.qr(x, "complete").R.sum().backward()


@pytest.mark.parametrize("dtype", [tp.float64, tp.complex128])
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)])
def test_derivatives_of_factorisations(shape: tuple[int, int], dtype: Any) -> None:
    def functions() -> list[Callable[[tp.Tensor], Any]]:
        found: list[Callable[[tp.Tensor], Any]] = [
            lambda x: tuple(part.abs() for part in tp.linalg.svd(x, full_matrices=False)),
            lambda x: tuple(tp.linalg.qr(x)), lambda x: tp.linalg.lu(x)[1:], tp.linalg.pinv,
            lambda x: tp.linalg.lu_factor(x).LU,
        ]  # fmt: skip
        if shape == (3, 3):
            found += [tp.linalg.inv, tp.linalg.det, lambda x: tuple(tp.linalg.slogdet(x)),
                      tp.linalg.matrix_exp]  # fmt: skip
        return found

    x = make(*shape, dtype=dtype, grad=True)
    for function in functions():
        assert tp.autograd.gradcheck(function, x)
        assert tp.autograd.gradgradcheck(function, x)


# --- norms, ranks and functions of matrices ------------------------------------------------------


@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf])
def test_matrix_norms_are_numpys(ord: Any) -> None:
    x = make(3, 4)
    close(tp.linalg.matrix_norm(x, ord), np.linalg.norm(x.numpy(), ord))
    kept = tp.linalg.matrix_norm(make(2, 3, 4), ord, dim=(0, 2), keepdim=True)
    assert kept.shape == (1, 3, 1)


@pytest.mark.parametrize("ord", [0, 1, 2, 3.5, -1, math.inf, -math.inf])
def test_vector_norms_are_numpys(ord: float) -> None:
    x = make(3, 4)
    close(tp.linalg.vector_norm(x, ord), np.linalg.norm(x.numpy().ravel(), ord))
    close(tp.linalg.norm(x, ord, dim=1), np.linalg.norm(x.numpy(), ord, axis=1))


def test_matrix_functions_are_scipys() -> None:
    x = make(4, 4)
    close(tp.linalg.matrix_exp(x * 5), scipy.linalg.expm(x.numpy() * 5), scale=100)
    close(tp.linalg.matrix_power(x, -3), np.linalg.matrix_power(x.numpy(), -3), scale=1000)
    close(tp.linalg.cond(x, 1), np.linalg.cond(x.numpy(), 1), scale=1000)
    assert tp.linalg.matrix_rank(make(4, 2) @ make(2, 4)).item() == 2
    close(tp.linalg.multi_dot([x, x, x, x]), np.linalg.matrix_power(x.numpy(), 4))
    close(tp.kron(x, make(2, 3) * 0 + 1), np.kron(x.numpy(), np.ones((2, 3))))
    close(tp.cov(x, correction=0), np.cov(x.numpy(), ddof=0))


# --- Fourier transforms --------------------------------------------------------------------------


@pytest.mark.parametrize("norm", [None, "forward", "ortho", "backward"])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"])
def test_transforms_are_numpys(name: str, norm: str | None) -> None:
    real = name in ("rfft", "ihfft")
    x = make(3, 5, dtype=tp.float64 if real else tp.complex128)
    for n in (None, 4, 7):
        for dim in (0, -1):
            want = getattr(np.fft, name)(x.numpy(), n, dim, norm)
            close(getattr(tp.fft, name)(x, n, dim, norm), want)


@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_transforms_over_several_dimensions(name: str) -> None:
    x = make(3, 4, 5)
    values = x.numpy()
    for s, dim in ((None, (0, 2)), ((2, 6), (1, 2)), (None, (2, 0))):
        want = getattr(np.fft, name)(values, s, dim)
        close(getattr(tp.fft, name)(x, s, dim), want)


@pytest.mark.parametrize("size", [4, 5])
def test_derivatives_of_transforms(size: int) -> None:
    x, z = make(2, size, grad=True), make(2, size, dtype=tp.complex128, grad=True)
    for function in (tp.fft.rfft, tp.fft.ihfft, tp.fft.fft2):
        assert tp.autograd.gradcheck(function, x)
        assert tp.autograd.gradgradcheck(function, x)
    for function in (tp.fft.irfft, tp.fft.hfft, tp.fft.ifftn, lambda a: tp.fft.irfft(a, 7)):
        assert tp.autograd.gradcheck(function, z)
        assert tp.autograd.gradgradcheck(function, z)


def test_transforms_keep_precision() -> None:
    assert tp.fft.fft(tp.ones(3)).dtype is tp.complex64
    assert tp.fft.fft(tp.ones(3, dtype=tp.int64)).dtype is tp.complex64
    assert tp.fft.irfft(tp.ones(3, dtype=tp.complex128)).dtype is tp.float64
    assert tp.fft.fftfreq(4).tolist() == [0, 0.25, -0.5, -0.25]
    assert tp.fft.rfftfreq(4, 0.5).tolist() == [0, 0.5, 1]
    with pytest.raises(RuntimeError, match=r"got .*float16"):
        tp.fft.fft(tp.ones(3, dtype=tp.float16))
