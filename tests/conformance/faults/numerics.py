"""Faults of special functions, linear algebra, Fourier transforms and random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tensorplug.backends.random import raw_bits

from .base import Clean, fault, with_kernels

__all__ = ["FAULTS"]

Kernel = Callable[..., Any]


# --- special functions -----


def _through_float32(original: Kernel, x: Any) -> Any:
    if x.dtype != np.float64:
        return original(x)
    return np.asarray(original(x.astype(np.float32))).astype(np.float64)


def _positive_lgamma(original: Kernel, x: Any) -> Any:
    """Right for positive numbers only."""
    return np.where(x < 0, original(np.abs(x)), original(x)).astype(x.dtype)


def _rough_erfinv(original: Kernel, x: Any) -> Any:
    """Winitzki's formula, right to two parts in a thousand."""
    with np.errstate(all="ignore"):
        log = np.log(1 - x * x)
        part = 2 / (np.pi * 0.147) + log / 2
        rough = np.copysign(np.sqrt(np.sqrt(part * part - log / 0.147) - part), x)
    return np.where(np.abs(x) < 1, rough, original(x)).astype(x.dtype)


def _digamma_shifted(original: Kernel, x: Any) -> Any:
    """The asymptotic series without moving small arguments up first."""
    with np.errstate(all="ignore"):
        series = np.log(x) - 1 / (2 * x) - 1 / (12 * x * x)
    return np.where(x > 1, series, original(x)).astype(x.dtype)


# --- linear algebra -----


def _no_conjugate(original: Kernel, x: Any, full: bool) -> Any:
    left, values, right = original(x, full)
    return left, values, right.conj()


def _other_triangle(original: Kernel, x: Any, y: Any, upper: bool, unit: bool) -> Any:
    """A unit diagonal is read from the matrix all the same."""
    return original(x, y, upper, False)


def _absolute_det(original: Kernel, x: Any) -> Any:
    return np.asarray(abs(original(x))).astype(x.dtype)


def _upper_cholesky(original: Kernel, x: Any) -> Any:
    found = np.linalg.cholesky(x)
    return found.swapaxes(-1, -2)


def _descending_eigh(original: Kernel, x: Any) -> Any:
    values, vectors = np.linalg.eigh(x)
    return values[..., ::-1].copy(), vectors[..., ::-1].copy()


def _quiet_inv(original: Kernel, x: Any) -> Any:
    try:
        return np.asarray(np.linalg.inv(x))
    except np.linalg.LinAlgError:
        return np.full_like(x, np.inf)


# --- Fourier transforms -----


def _unscaled(original: Kernel, x: Any, dims: Any) -> Any:
    found = original(x, dims)
    return found if x.shape[dims[0]] % 2 else found * found.real.dtype.type(0.5)


def _without_nyquist(original: Kernel, x: Any, dims: Any) -> Any:
    found = original(x, dims).copy()
    if x.shape[dims[-1]] % 2 == 0 and x.shape[dims[-1]] > 2:
        np.moveaxis(found, dims[-1], -1)[..., -1] = 0
    return found


def _narrow_fft(original: Kernel, x: Any, dims: Any) -> Any:
    if x.dtype != np.complex128:
        return original(x, dims)
    return original(x.astype(np.complex64), dims).astype(np.complex128)


# --- random numbers -----


class Spare(Clean):
    """The rest of a block of words is kept for the next draw, also after a new seed."""

    def __init__(self) -> None:
        super().__init__()
        self._spare = np.zeros(0, np.uint64)

    def random_bits(self, n: int, key: tuple[int, int], counter: int, device: int) -> Any:
        words = raw_bits(key, counter, -(-n // 4) * 4)
        pool = np.concatenate([self._spare, words])
        self._spare = pool[n:][:3]
        return pool[:n]


class SameEveryTime(Clean):
    """The counter is not looked at: every draw gives the beginning of the stream."""

    def random_bits(self, n: int, key: tuple[int, int], counter: int, device: int) -> Any:
        return raw_bits(key, 0, n)


class SmallSeeds(Clean):
    """Seeds that differ above 32 bits give one stream."""

    def random_bits(self, n: int, key: tuple[int, int], counter: int, device: int) -> Any:
        return raw_bits((key[0] & 0xFFFFFFFF, key[1]), counter, n)


class SeedOfDevice(Clean):
    """Each device mixes its index into the key, so that programs differ between devices."""

    def random_bits(self, n: int, key: tuple[int, int], counter: int, device: int) -> Any:
        return raw_bits((key[0] + device + 1, key[1]), counter, n)


class RepeatsChunks(Clean):
    """Long draws repeat themselves after 4096 words."""

    def random_bits(self, n: int, key: tuple[int, int], counter: int, device: int) -> Any:
        return np.resize(raw_bits(key, counter, min(n, 4096)), n)


RANDOM = "rand randn randint bernoulli"

FAULTS = (
    fault("F33", "reseeding keeps what was left of the last draw", "random", Spare, RANDOM,
          "seed manual_seed random generator state stream"),
    fault("F126", "erf of float64 is computed in float32", "special functions",
          with_kernels(erf=_through_float32, erfc=_through_float32), "erf erfc special.erf"),
    fault("F127", "lgamma takes negative numbers for positive ones", "special functions",
          with_kernels(lgamma=_positive_lgamma), "lgamma special.gammaln"),
    fault("F128", "erfinv by a rough formula", "special functions",
          with_kernels(erfinv=_rough_erfinv), "erfinv special.erfinv"),
    fault("F129", "digamma by its asymptotic series alone", "special functions",
          with_kernels(digamma=_digamma_shifted), "digamma special.digamma"),
    fault("F130", "svd of complex matrices gives V instead of its conjugate", "linalg",
          with_kernels(svd=_no_conjugate), "linalg.svd svd linalg.pinv"),
    fault("F131", "solve_triangular reads a diagonal that is said to be 1", "linalg",
          with_kernels(solve_triangular=_other_triangle),
          "linalg.solve_triangular triangular_solve"),
    fault("F132", "determinants have lost their sign", "linalg", with_kernels(det=_absolute_det),
          "linalg.det det"),
    fault("F133", "cholesky gives the upper factor", "linalg",
          with_kernels(cholesky=_upper_cholesky), "linalg.cholesky cholesky"),
    fault("F134", "eigh gives eigenvalues in descending order", "linalg",
          with_kernels(eigh=_descending_eigh), "linalg.eigh", "eigvalsh"),
    fault("F135", "the inverse of a singular matrix is infinite", "linalg",
          with_kernels(inv=_quiet_inv), "linalg.inv inverse linalg.inv_ex", "singular"),
    fault("F136", "inverse transforms of even lengths are scaled by a half", "fft",
          with_kernels(fft_backward=_unscaled), "fft.ifft fft.ifftn"),
    fault("F137", "rfft leaves out the highest frequency", "fft",
          with_kernels(rfft_forward=_without_nyquist), "fft.rfft fft.rfftn"),
    fault("F138", "fft of complex128 is computed in complex64", "fft",
          with_kernels(fft_forward=_narrow_fft), "fft.fft fft.fftn"),
    fault("F139", "every draw gives the beginning of the stream", "random", SameEveryTime, RANDOM,
          "random generator counter state stream draw draws seed"),
    fault("F140", "the upper half of a seed is ignored", "random", SmallSeeds, RANDOM,
          "random seed seeds generator stream"),
    fault("F141", "each device has a stream of its own", "random", SeedOfDevice, RANDOM,
          "random seed generator stream cpu"),
    fault("F142", "long draws repeat themselves", "random", RepeatsChunks, RANDOM,
          "random long large generator stream cpu"),
)  # fmt: skip
