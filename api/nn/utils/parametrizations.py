"""Ready-made parametrizations: orthogonal weights, weight norm and spectral norm."""

from __future__ import annotations

from typing import Any

import tensorplug as tp
from tensorplug.autograd.modes import no_grad
from tensorplug.autograd.tensor import Tensor

from .. import functional as F
from ..module import Module
from ._norms import as_matrix, norm_except, power_iterations, scaled
from .parametrize import register_parametrization

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def _named(function: str, module: Module, name: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(
            f"{function}: expected a parameter or buffer of {type(module).__name__}, got {name!r}"
        )
    return weight


# --- orthogonal matrices ------------------------------------------------------------------------


def _householder(tail: Tensor) -> Tensor:
    """The product of the reflections whose vectors are the columns below the diagonal."""
    tau = 2.0 / (1.0 + (tail * tail.conj()).sum(-2))
    return tp.linalg.householder_product(tail, tau)


def _reflections(q: Tensor) -> Tensor:
    """Vectors of reflections that make ``q`` triangular, and the triangle's signs as diagonal.

    Reflection ``j`` takes what the earlier ones left of column ``j`` to the first axis (Golub and
    Van Loan, Matrix Computations, section 5.2).
    """
    rest, columns = q.clone(), []
    rows = tp.arange(q.shape[-2], device=q.device)
    for j in range(q.shape[-1]):
        x = tp.where(rows >= j, rest[..., j], 0.0)
        length = tp.linalg.vector_norm(x, dim=-1)
        below = tp.where(rows > j, x, 0.0)
        first = x[..., j]
        # A column that is on its axis already is reflected on it: forward never leaves one out.
        sign = tp.where(first < 0, -1.0, 1.0)
        v = below / (first + sign * length).unsqueeze(-1)
        full = v + (rows == j).to(v.dtype)
        tau = 2.0 / (full * full).sum(-1)
        along = tau.unsqueeze(-1) * (full.unsqueeze(-2) @ rest).squeeze(-2)
        rest = rest - full.unsqueeze(-1) * along.unsqueeze(-2)
        columns.append(v + (rows == j) * -sign.unsqueeze(-1))
    return tp.stack(columns, -1)


def _nearest(a: Tensor) -> Tensor:
    """The orthogonal factor of ``a``; of an orthogonal matrix the matrix itself."""
    q, r = tp.linalg.qr(a)
    return q * r.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


class _Orthogonal(Module):
    """From any matrix to an orthogonal one, or to one with orthonormal columns or rows."""

    base: Tensor | None

    def __init__(self, weight: Tensor, orthogonal_map: str, use_trivialization: bool) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError(
                f"orthogonal: expected a real tensor with the householder map, got {weight.dtype}"
            )
        self.shape = tuple(weight.shape)
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        n, k = X.shape[-2:]
        turned = n < k
        if turned:
            X, n, k = X.mT, k, n
        if self.orthogonal_map == "householder":
            q = _householder(X.tril(-1))
            q = q * X.diagonal(dim1=-2, dim2=-1).trunc().unsqueeze(-2)
        else:
            X = X.tril()
            if n != k:
                X = F.pad(X, (0, n - k))
            skew = X - X.mH
            if self.orthogonal_map == "matrix_exp":
                q = tp.linalg.matrix_exp(skew)
            else:
                one = tp.eye(n, dtype=X.dtype, device=X.device)
                q = tp.linalg.solve(one - skew / 2, one + skew / 2)
            q = q[..., :k]
        if "base" in self._buffers:
            assert self.base is not None  # registering it calls right_inverse, which sets it
            q = self.base @ q
        return q.mT if turned else q

    @no_grad()
    def right_inverse(self, Q: Tensor) -> Tensor:
        if tuple(Q.shape) != self.shape:
            raise ValueError(
                f"orthogonal: expected a matrix of shape {self.shape}, got {tuple(Q.shape)}"
            )
        start, turned = Q, Q.shape[-2] < Q.shape[-1]
        if turned:
            Q = Q.mT
        n, k = Q.shape[-2:]
        if "base" not in self._buffers:
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "orthogonal: expected use_trivialization=True to assign to the tensor with "
                    f"the {self.orthogonal_map} map, got False"
                )
            found = _reflections(Q)
            return found.mT if turned else found
        if n != k:
            noise = tp.randn(*Q.shape[:-2], n, n - k, dtype=Q.dtype, device=Q.device)
            Q = tp.cat([Q, noise], -1)
        self.base = _nearest(Q)
        # With -1 on its diagonal a triangle has no skew part and is the identity for all maps.
        return -tp.eye(*start.shape[-2:], dtype=Q.dtype, device=Q.device).expand_as(start).clone()


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Keep a matrix of a module orthogonal: ``Q^T Q`` or ``Q Q^T`` is the identity.

    Args:
        module: which gets the parametrization.
        name: the tensor, of two dimensions or more.
        orthogonal_map: "matrix_exp", "cayley" or "householder"; the first for square matrices
            when None, else the last.
        use_trivialization: keep a fixed matrix beside, relative to which the parameter counts;
            needed to assign to the tensor with the first two maps (Lezcano-Casado, 2019).

    Returns:
        ``module``.

    Raises:
        ValueError: no such tensor, too few dimensions, or an unknown map.

    Example:
        >>> q = tp.nn.utils.parametrizations.orthogonal(tp.nn.Linear(3, 2)).weight
        >>> tp.allclose(q @ q.T, tp.eye(2), atol=1e-5)
        True
    """
    weight = _named("orthogonal", module, name)
    if weight.dim() < 2:
        raise ValueError(f"orthogonal: expected a matrix, got shape {tuple(weight.shape)}")
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in ("matrix_exp", "cayley", "householder"):
        raise ValueError(
            "orthogonal: expected orthogonal_map 'matrix_exp', 'cayley' or 'householder', got "
            f"{orthogonal_map!r}"
        )
    parametrization = _Orthogonal(weight, orthogonal_map, use_trivialization)
    return register_parametrization(module, name, parametrization, unsafe=True)


# --- weight norm ----------------------------------------------------------------------------------


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return scaled(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Learn the lengths and the directions of a weight apart (Salimans and Kingma, 2016).

    The lengths are ``parametrizations.<name>.original0``, the directions ``original1``. State
    dicts of :func:`tensorplug.nn.utils.weight_norm` load too.

    Args:
        module: which gets the parametrization.
        name: the tensor.
        dim: the dimension that has a length for each index; None for one length in all.

    Returns:
        ``module``.

    Example:
        >>> layer = tp.nn.utils.parametrizations.weight_norm(tp.nn.Linear(3, 2))
        >>> layer.parametrizations.weight.original0.shape
        tensorplug.Size([2, 1])
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(module: Any, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        old = [f"{prefix}{name}_{part}" for part in "gv"]
        if all(key in state for key in old):
            for number, key in enumerate(old):
                state[f"{prefix}parametrizations.{name}.original{number}"] = state.pop(key)

    module.register_load_state_dict_pre_hook(rename)
    return module


# --- spectral norm --------------------------------------------------------------------------------


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        if not -weight.dim() <= dim < weight.dim():
            raise IndexError(
                f"spectral_norm: expected dim from {-weight.dim()} to {weight.dim() - 1}, got {dim}"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                f"spectral_norm: expected n_power_iterations above 0, got {n_power_iterations}"
            )
        self.dim = dim % weight.dim()
        self.eps = eps
        if weight.dim() > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight.detach(), self.dim)
            u, v = (
                F.normalize(tp.randn(n, dtype=weight.dtype, device=weight.device), dim=0, eps=eps)
                for n in matrix.shape
            )
            u, v = power_iterations(matrix, u, v, 15, eps)
            self.register_buffer("_u", u)
            self.register_buffer("_v", v)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.dim() == 1:  # a vector has one singular value, its length
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            found = power_iterations(matrix, self._u, self._v, self.n_power_iterations, self.eps)
            with tp.no_grad():
                self._u.copy_(found[0])
                self._v.copy_(found[1])
        sigma = self._u.clone() @ (matrix @ self._v.clone())
        return weight / sigma

    def right_inverse(self, value: Tensor) -> Tensor:
        return value  # a weight whose norm is 1 already, if it came from here


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
    dim: int | None = None,
) -> Module:  # fmt: skip
    """Divide a weight by its largest singular value (Miyato et al., 2018).

    The value is approximated by the power method, which goes on in every forward in training.

    Args:
        module: which gets the parametrization.
        name: the tensor.
        n_power_iterations: steps of the power method.
        eps: added to norms that might be 0.
        dim: the dimension that becomes the rows of the matrix; the output channels when None.

    Returns:
        ``module``.

    Raises:
        ValueError, IndexError: no such tensor or dimension, or no iterations.

    Example:
        >>> _ = tp.manual_seed(0)
        >>> weight = tp.nn.utils.parametrizations.spectral_norm(tp.nn.Linear(3, 2)).weight
        >>> round(tp.linalg.matrix_norm(weight, 2).item(), 2)
        1.0
    """
    weight = _named("spectral_norm", module, name)
    if dim is None:
        dim = int(type(module).__name__.startswith("ConvTranspose"))
    parametrization = _SpectralNorm(weight, n_power_iterations, dim, eps)
    return register_parametrization(module, name, parametrization)
