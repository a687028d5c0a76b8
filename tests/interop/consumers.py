"""Calls of SciPy, scikit-learn and other libraries that take arrays of any library.

Run as a program, with a device's name, it prints for each call what differs between tensors and
NumPy arrays, as JSON. SciPy must find ``SCIPY_ARRAY_API=1`` when it is imported.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

MODULES = (
    "scipy.special", "scipy.stats", "scipy.signal", "scipy.fft", "scipy.integrate",
    "scipy.optimize", "scipy.optimize.elementwise", "scipy.cluster.vq", "scipy.spatial.transform",
    "sklearn.decomposition", "sklearn.linear_model", "sklearn.discriminant_analysis",
    "sklearn.metrics", "sklearn.metrics.pairwise", "sklearn.preprocessing",
    "array_api_extra", "einops", "einops.array_api", "opt_einsum",
)  # fmt: skip


class Case(NamedTuple):
    """One call: ``call(m, *arrays)``, where ``m.scipy.special`` and so on are the modules.

    ``smooth`` says that it has a gradient to check; a result that is no array is compared alone.
    ``default`` says that the library makes arrays without saying where: the inputs' device has to
    be the default device then.
    """

    call: Callable[..., Any]
    inputs: tuple[Any, ...]
    smooth: bool = True
    default: bool = False


_random = np.random.default_rng(0)
A = _random.normal(size=(5, 3))
B = np.abs(_random.normal(size=(5, 3))) + 0.5
V = _random.normal(size=8)
P = np.abs(V) + 0.5
Q = _random.uniform(0.1, 0.9, size=4)
LABELS = np.array([0, 1, 1, 0, 2])
BINARY = np.array([0, 1, 1, 0, 1])


def _cases() -> dict[str, Case]:
    elementwise = {
        "expit": (Q,), "logit": (Q,), "erf": (Q,), "gammaln": (Q,), "ndtr": (Q,), "entr": (Q,),
        "log_ndtr": (Q,), "xlogy": (Q, Q[::-1].copy()), "i0e": (Q,), "j0": (Q,), "psi": (Q,),
        "softmax": (A,), "log_softmax": (A,), "logsumexp": (A,),
    }  # fmt: skip
    found = {f"scipy.special.{name}": Case(_named("scipy.special", name), inputs)
             for name, inputs in elementwise.items()}  # fmt: skip
    for name, x in {"zscore": A, "skew": A, "kurtosis": A, "gmean": B, "hmean": B, "entropy": B,
                    "variation": B, "circmean": B}.items():  # fmt: skip
        found[f"scipy.stats.{name}"] = Case(_named("scipy.stats", name, axis=0), (x,))
    found["scipy.stats.quantile"] = Case(lambda m, x: m.scipy.stats.quantile(x, 0.3), (V,))
    found["scipy.stats.rankdata"] = Case(
        lambda m, x: m.scipy.stats.rankdata(x) > 3, (V,), False, True
    )
    for name in ("euclidean_distances", "rbf_kernel", "polynomial_kernel"):
        found[f"sklearn.metrics.pairwise.{name}"] = Case(
            _named("sklearn.metrics.pairwise", name), (A,)
        )
    for name in ("mean_squared_error", "r2_score", "mean_absolute_error"):
        found[f"sklearn.metrics.{name}"] = Case(_named("sklearn.metrics", name), (P, V), False)
    for name in ("accuracy_score", "f1_score"):
        call = _named("sklearn.metrics", name)
        found[f"sklearn.metrics.{name}"] = Case(call, (BINARY, BINARY[::-1].copy()), False)
    return found | _SCIPY | _SKLEARN | _SMALL


def _named(module: str, name: str, **options: Any) -> Callable[..., Any]:
    def call(m: Any, *arrays: Any) -> Any:
        return getattr(importlib.import_module(module), name)(*arrays, **options)

    return call


_SCIPY = {
    "scipy.signal.fftconvolve": Case(lambda m, x, y: m.scipy.signal.fftconvolve(x, y), (V, P[:3])),
    "scipy.signal.hilbert": Case(lambda m, x: abs(m.scipy.signal.hilbert(x)), (V,)),
    "scipy.signal.resample": Case(lambda m, x: m.scipy.signal.resample(x, 5), (V,)),
    "scipy.fft.rfft": Case(lambda m, x: abs(m.scipy.fft.rfft(x)), (V,)),
    "scipy.integrate.cumulative_trapezoid": Case(
        lambda m, x: m.scipy.integrate.cumulative_trapezoid(x), (V,)
    ),
    "scipy.optimize.rosen": Case(lambda m, x: m.scipy.optimize.rosen(x), (V[:4],)),
    "scipy.optimize.elementwise.find_root": Case(
        lambda m, c: m.scipy.optimize.elementwise.find_root(
            lambda x, c: x**3 - c, (c * 0, c * 0 + 2), args=(c,)
        ).x,
        (Q,), False, True,
    ),
    "scipy.cluster.vq.whiten": Case(lambda m, x: m.scipy.cluster.vq.whiten(x), (A,)),
    "scipy.spatial.transform.Rotation": Case(
        lambda m, q: m.scipy.spatial.transform.Rotation.from_quat(q).as_matrix(), (Q,)
    ),
}  # fmt: skip

_SKLEARN = {
    "sklearn.decomposition.PCA": Case(
        lambda m, x: m.sklearn.decomposition.PCA(2, svd_solver="covariance_eigh")
        .fit(x).explained_variance_, (A,)
    ),
    "sklearn.decomposition.PCA.transform": Case(
        lambda m, x: m.sklearn.decomposition.PCA(2, svd_solver="full").fit_transform(x),
        (A,),
    ),
    "sklearn.linear_model.Ridge": Case(
        lambda m, x, y: m.sklearn.linear_model.Ridge(solver="svd").fit(x, y).coef_, (A, V[:5])
    ),
    "sklearn.discriminant_analysis.LinearDiscriminantAnalysis": Case(
        lambda m, x, y: m.sklearn.discriminant_analysis.LinearDiscriminantAnalysis()
        .fit(x, y).predict_proba(x),
        (np.stack([V, P[::-1]], axis=1), np.arange(8) % 2),
    ),
    "sklearn.preprocessing.StandardScaler": Case(
        lambda m, x: m.sklearn.preprocessing.StandardScaler().fit_transform(x), (A,), False
    ),
    "sklearn.preprocessing.MinMaxScaler": Case(
        lambda m, x: m.sklearn.preprocessing.MinMaxScaler().fit_transform(x), (A,)
    ),
}  # fmt: skip

_SMALL = {
    "array_api_extra.cov": Case(lambda m, x: m.array_api_extra.cov(x), (A,)),
    "array_api_extra.kron": Case(lambda m, x, y: m.array_api_extra.kron(x, y), (A[:2], B[:2])),
    "array_api_extra.at": Case(
        lambda m, x: m.array_api_extra.at(x)[1:3].set(0.0, copy=True), (V,)
    ),
    "array_api_extra.apply_where": Case(
        lambda m, x: m.array_api_extra.apply_where(x > 0, (x,), lambda x: x**2, lambda x: -x), (V,)
    ),
    "array_api_extra.nunique": Case(lambda m, x: m.array_api_extra.nunique(x), (LABELS,), False),
    "einops.rearrange": Case(
        lambda m, x: m.einops.array_api.rearrange(x, "a (b c) -> c (a b)", b=1), (A,)
    ),
    "einops.reduce": Case(
        lambda m, x: m.einops.array_api.reduce(x, "(a b) c -> b c", "mean", a=5), (A,)
    ),
    "einops.repeat": Case(lambda m, x: m.einops.array_api.repeat(x, "a b -> a k b", k=2), (A,)),
    "opt_einsum.contract": Case(
        lambda m, x, y: m.opt_einsum.contract("ab,ac,dc->db", x, x, y), (A, B)
    ),
    "opt_einsum.contract_expression": Case(
        lambda m, x, y: m.opt_einsum.contract_expression("ab,bc->ca", x.shape, y.shape)(x, y),
        (A, B.T.copy()),
    ),
}  # fmt: skip

CASES = _cases()

COSTLY_ON_XLA = (
    "erf", "gammaln", "ndtr", "entr", "i0e", "j0", "logit", "psi", "softmax", "skew", "kurtosis",
    "hmean", "variation", "circmean", "rbf_kernel", "polynomial_kernel", "r2_score", "resample",
    "mean_absolute_error", "f1_score", "rfft", "find_root", "transform", "kron", "at", "nunique",
    "quantile", "repeat", "Rotation", "MinMaxScaler", "contract_expression", "log_softmax",
)  # fmt: skip
"""Left out there in a quick run: each of their operations would be a program to compile. Of the
others one in three is tried."""


def cases_for(device: str, thorough: bool) -> list[str]:
    """The names of the cases to try on a device."""
    if thorough or not device.startswith("xla"):
        return list(CASES)
    return [name for name in CASES if name.rpartition(".")[2] not in COSTLY_ON_XLA][::3]


def modules() -> Any:
    """The libraries as attributes of one object."""
    found = SimpleNamespace()
    for name in MODULES:
        importlib.import_module(name)
        package = name.partition(".")[0]
        setattr(found, package, importlib.import_module(package))
    found.sklearn.set_config(array_api_dispatch=True)
    return found


def differences(m: Any, case: Case, device: str) -> list[str]:
    """What is different with tensors; nothing if all is well."""
    import tensorplug as tp

    wanted = case.call(m, *case.inputs)
    leaves = [tp.tensor(a, device=device) for a in case.inputs]
    for leaf in leaves:
        leaf.requires_grad_(case.smooth and leaf.dtype.is_floating_point)
    with tp.device(device if case.default else "cpu"):
        got = case.call(m, *leaves)
    if isinstance(wanted, float) and not isinstance(got, tp.Tensor):
        return [] if np.isclose(got, wanted) else [f"expected {wanted}, got {got}"]
    found = []
    if type(got) is not tp.Tensor or str(got.device) != device:
        return [f"expected a tensor on {device}, got {got!r}"]
    if got.dtype.name != np.asarray(wanted).dtype.name:
        found.append(f"expected {np.asarray(wanted).dtype}, got {got.dtype}")
    if not np.allclose(got.numpy(force=True), wanted, rtol=1e-9, atol=1e-12):
        found.append(f"expected {wanted}, got {got}")
    if case.smooth:
        weight = np.cos(np.arange(np.size(wanted))).reshape(np.shape(wanted))
        (got * tp.tensor(weight, device=device)).sum().backward()
        for place, leaf in enumerate(leaves):
            if not leaf.requires_grad:
                continue
            slope = _slope(m, case, weight, place)
            if not np.allclose(leaf.grad.numpy(force=True), slope, rtol=1e-4, atol=1e-6):
                found.append(f"gradient {place}: expected {slope}, got {leaf.grad}")
    return found


def _slope(m: Any, case: Case, weight: np.ndarray, place: int) -> np.ndarray:
    """The gradient by central differences, of NumPy arrays."""
    arrays = [a.copy() for a in case.inputs]
    slope = np.zeros_like(arrays[place])
    for index in np.ndindex(slope.shape):
        value = arrays[place][index]
        ends = []
        for step in (1e-6, -1e-6):
            arrays[place][index] = value + step
            ends.append((case.call(m, *arrays) * weight).sum())
        arrays[place][index] = value
        slope[index] = (ends[0] - ends[1]) / 2e-6
    return slope


def main(device: str, names: list[str]) -> None:
    """Print the differences of these cases as JSON."""
    m = modules()
    found = {}
    for name in names:
        try:
            found[name] = differences(m, CASES[name], device)
        except Exception as error:
            found[name] = [f"{type(error).__name__}: {error}"]
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
