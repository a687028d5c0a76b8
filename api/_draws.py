"""Random tensors from tensors: draws from given distributions, and in-place fills.

Values have a zero gradient towards the tensors that they came from or replace, as in PyTorch.
"""

from __future__ import annotations

from typing import Any

from ._creation import shape_of
from ._methods import method
from ._sampling import create, integers, limits, normals, require, require_inexact, sample
from .autograd.errors import OpError, OpTypeError, check_devices
from .autograd.inplace import apply, write_out
from .autograd.modes import GRAD_MODE, no_grad
from .autograd.registry import ROWS, function
from .autograd.slow import result_type
from .autograd.tensor import Tensor, make
from .backends import dtypes
from .backends import random as host
from .backends.device import Device
from .backends.dtypes import DType
from .backends.layout import broadcast_shapes
from .random import Generator, stream_of

__all__: list[str] = []


def _tied(what: str, x: Tensor, value: Tensor) -> Tensor:
    """``value``, with a zero gradient towards ``x``."""
    if x._track and GRAD_MODE.get():
        value = ROWS[f"drawn_{what}"].call(x, value)
    return value


def _require_tensor(name: str, value: Any) -> None:
    if type(value) is not Tensor:
        raise OpTypeError(
            f"{name}: expected input to be a tensor, got {type(value).__name__}; "
            "make one with tp.tensor(...)",
            op=name,
        )


# --- draws from given distributions --------------------------------------------------------------


@function(method=False, random=True, dtypes="float16 bfloat16 float32 float64",
          samples=lambda t: [(0.0, 1.0, (2, 3)), (t(2, 3),)])  # fmt: skip
def normal(
    mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None,
    out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Normal random numbers with a mean and a standard deviation for each element.

    Args:
        mean, std: numbers or tensors, broadcast together.
        size: the shape, when both are numbers.
        generator, out: as for :func:`rand`; so are ``dtype``, ``device`` and ``requires_grad``,
            when both are numbers.

    Raises:
        RuntimeError: a standard deviation is negative.
        TypeError: ``size`` is missing or not wanted.

    Example:
        >>> tp.normal(0.0, 1.0, (2, 3)).shape
        tensorplug.Size([2, 3])
    """
    given = [x for x in (mean, std) if type(x) is Tensor]
    if bool(given) == (size is not None):
        raise OpTypeError(
            "normal: expected a size with two numbers and none with tensors, got size="
            f"{size!r}; pass mean and std as tensors, or a size",
            op="normal",
        )
    if given:
        return _normal_of(mean, std, given, generator, out)
    require(std >= 0, "normal", "a standard deviation >= 0", std)
    shape = shape_of("normal", (size,))

    def values(where: Device, dtype: DType) -> Tensor:
        require_inexact("normal", dtype)
        return normals("normal", generator, where, shape, dtype, mean, std)

    return create("normal", values, out, dtype, device, requires_grad)


def _normal_of(mean: Any, std: Any, given: list[Tensor], generator: Any, out: Any) -> Tensor:
    check_devices("normal", given)
    for x in given:
        require_inexact("normal", x._dtype)
    dtype = result_type(mean, std)
    shape = broadcast_shapes(*[tuple(x._h.shape) for x in given])
    with no_grad():
        if type(std) is Tensor:
            require(not std._dtype.is_complex, "normal", "a real std", std._dtype)
            require(not bool((std < 0).any()), "normal", "all elements of std >= 0.0", "others")
        else:
            require(std >= 0, "normal", "a standard deviation >= 0", std)
        noise = normals("normal", generator, given[0]._device, shape, dtype, 0.0, 1.0)
        value = noise * std + mean
    if out is not None:
        return write_out("normal", out, value)
    for x in given:
        value = _tied("normal", x, value)
    return value


@function(random=True, dtypes="float16 bfloat16 float32 float64",
          samples=lambda t: [(t(2, 3, lo=0.0, hi=1.0),), (t(3), 0.3)])  # fmt: skip
def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Any = None
) -> Tensor:
    """Ones with the probabilities in ``input`` (or all with probability ``p``), zeros elsewhere.

    Args:
        input: probabilities, floating-point; with ``p`` only its shape, dtype and device count.
        p: one probability for all elements.
        generator, out: as for :func:`rand`.

    Raises:
        RuntimeError: a probability is not in [0, 1].

    Example:
        >>> tp.bernoulli(tp.tensor([0.0, 1.0]))
        tensor([0., 1.])
    """
    _require_tensor("bernoulli", input)
    if p is None:
        require_inexact("bernoulli", input._dtype, complex_too=False)
    value = sample(
        "bernoulli", generator, input._device, "bernoulli", tuple(input._h.shape), input._dtype,
        input._h if p is None else float(p),
    )  # fmt: skip
    return _tied("bernoulli", input, value) if out is None else write_out("bernoulli", out, value)


@function(random=True, dtypes="float16 bfloat16 float32 float64",
          samples=lambda t: [(t(2, 3, lo=0.1, hi=1.0), 2)])  # fmt: skip
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *,
    generator: Generator | None = None, out: Any = None,
) -> Tensor:  # fmt: skip
    """Indices drawn with the weights in each row of ``input``; int64.

    Args:
        input: weights of shape ``(n,)`` or ``(m, n)``, not negative; they need not sum to 1.
        num_samples: how many indices per row.
        replacement: whether an index may come up again.
        generator, out: as for :func:`rand`.

    Returns:
        Shape ``(num_samples,)`` or ``(m, num_samples)``. An index of weight 0 never comes up.

    Raises:
        RuntimeError: shape, type or weights do not allow it.

    Example:
        >>> tp.multinomial(tp.tensor([0.0, 3.0, 0.0]), 1)
        tensor([1])
    """
    _require_tensor("multinomial", input)
    num_samples = num_samples.__index__()
    require_inexact("multinomial", input._dtype, complex_too=False)
    shape = tuple(input._h.shape)
    require(len(shape) in (1, 2), "multinomial", "1 or 2 dimensions", f"shape {shape}")
    require(shape[-1] > 0, "multinomial", "at least one weight in a row", f"shape {shape}")
    require(num_samples > 0, "multinomial", "num_samples > 0", num_samples)
    fits = type(out) is not Tensor or out._dtype is dtypes.int64
    require(fits, "multinomial", "an int64 out", getattr(out, "_dtype", None))
    if not replacement and num_samples > shape[-1]:
        raise OpError(
            f"multinomial: expected at most {shape[-1]} samples, one for each weight, got "
            f"{num_samples}; cannot sample n_sample > prob_dist.size(-1) samples without "
            "replacement: pass replacement=True",
            op="multinomial",
        )
    device = input._device
    stream = stream_of("multinomial", generator, device)
    weights = device.backend.to_host(input._h)
    chosen = host.multinomial(weights, num_samples, replacement, stream)
    value = make(device.backend.from_host(chosen, device.index), dtypes.int64, device)
    return value if out is None else write_out("multinomial", out, value)


@function(method=False, random=True, dtypes="float16 bfloat16 float32 float64",
          samples=lambda t: [(t(2, 3, lo=0.1, hi=9.0),)])  # fmt: skip
def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson random numbers with the rates in ``input``, in its type.

    Raises:
        RuntimeError: a rate is negative, infinite or nan.

    Example:
        >>> tp.poisson(tp.zeros(2))
        tensor([0., 0.])
    """
    _require_tensor("poisson", input)
    require_inexact("poisson", input._dtype, complex_too=False)
    shape = tuple(input._h.shape)
    args = (generator, input._device, "poisson", shape, input._dtype, input._h)
    return _tied("poisson", input, sample("poisson", *args))


# --- in-place fills ------------------------------------------------------------------------------


def _fill(self: Tensor, what: str, generator: Any, *params: Any) -> Tensor:
    """Replace all values by draws from a distribution, without history but a zero gradient."""
    name = f"{what}_"

    def values(old: Tensor) -> Tensor:
        shape, device = tuple(old._h.shape), old._device
        if what == "normal":
            new = normals(name, generator, device, shape, old._dtype, *params)
        elif what == "random":
            new = integers(name, generator, device, shape, old._dtype, *params)
        else:
            new = sample(name, generator, device, what, shape, old._dtype, *params)
        return _tied(what, old, new)

    return apply(name, self, values, (), {})


def _bounds(name: str, args: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The arguments ``from`` and ``to``: the first is no name that Python allows."""
    names = ("from", "to")
    found = dict(zip(names, args, strict=False))
    wrong = sorted(set(named) - set(names)) + sorted(set(named) & set(found))
    if wrong or len(args) > len(names):
        raise OpTypeError(
            f"{name}: expected the arguments from and to, each once, got {args} and "
            f"{sorted(named)}; see help(tp.Tensor.{name})",
            op=name,
        )
    return found | named


@method
def uniform_(
    self: Tensor, *args: float, generator: Generator | None = None, **bounds: float
) -> Tensor:
    """Fill with uniform numbers: ``uniform_(from=0, to=1)``; ``to`` itself never occurs.

    Raises:
        RuntimeError: the bounds are in the wrong order or not finite, or the type is an integer's.
    """
    require_inexact("uniform_", self._dtype)
    given = _bounds("uniform_", args, bounds)
    low, high = float(given.get("from", 0.0)), float(given.get("to", 1.0))
    got = f"from={low:g} and to={high:g}"
    require(low <= high, "uniform_", "bounds with from <= to", got)
    require(high - low < float("inf"), "uniform_", "a finite range", got)
    return _fill(self, "uniform", generator, low, high)


@method
def normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with normal numbers.

    Raises:
        RuntimeError: ``std`` is negative, or the type is an integer's.
    """
    require_inexact("normal_", self._dtype)
    require(std >= 0, "normal_", "a standard deviation >= 0", std)
    return _fill(self, "normal", generator, mean, std)


@method
def random_(self: Tensor, *args: int, generator: Generator | None = None, **bounds: int) -> Tensor:
    """Fill with integers: ``random_()``, ``random_(to)`` or ``random_(from, to)``.

    ``from`` (default 0) may occur and ``to`` may not. Without ``to``: up to the largest value
    of an integer type, up to 2**24 in float32 (all that the type can count).

    Raises:
        RuntimeError: the range is empty or does not fit the type.
    """
    only_to = len(args) == 1 and "to" not in bounds
    given = _bounds("random_", *(((), {"to": args[0], **bounds}) if only_to else (args, bounds)))
    require(not self._dtype.is_complex, "random_", "a real dtype", self._dtype)
    low, to = int(given.get("from", 0)), given.get("to")
    high = limits(self._dtype)[1] + 1 if to is None else int(to)
    return _fill(self, "random", generator, low, high)


@method
def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill with ones (with probability ``p``, a number or a tensor that broadcasts) and zeros.

    Raises:
        RuntimeError: a probability is not in [0, 1].
    """
    if type(p) is not Tensor:
        return _fill(self, "bernoulli", generator, float(p))
    check_devices("bernoulli_", (self, p))
    require_inexact("bernoulli_", p._dtype, complex_too=False)
    return _fill(self, "bernoulli", generator, p.detach().expand(self.shape)._h)


@method
def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with positive numbers of density ``lambd * exp(-lambd * x)``.

    Raises:
        RuntimeError: ``lambd`` is not positive, or the type is not floating-point.
    """
    require_inexact("exponential_", self._dtype, complex_too=False)
    require(lambd > 0, "exponential_", "lambd > 0.0", lambd)
    return _fill(self, "exponential", generator, float(lambd))


@method
def cauchy_(
    self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with numbers from a Cauchy distribution.

    Raises:
        RuntimeError: ``sigma`` is not positive, or the type is not floating-point.
    """
    require_inexact("cauchy_", self._dtype, complex_too=False)
    require(sigma > 0, "cauchy_", "sigma > 0.0", sigma)
    return _fill(self, "cauchy", generator, float(median), float(sigma))


@method
def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fill with the number of trials, 1 or more, up to the first success of probability ``p``.

    Raises:
        RuntimeError: ``p`` is not inside (0, 1), or the type is complex or bool.
    """
    fits = self._dtype.kind in ("int", "uint", "float")
    require(fits, "geometric_", "a real number type", self._dtype)
    require(0 < p < 1, "geometric_", "p in (0, 1)", p)
    return _fill(self, "geometric", generator, float(p))


@method
def log_normal_(
    self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill with ``exp`` of normal numbers of this mean and standard deviation.

    Raises:
        RuntimeError: ``std`` is not positive, or the type is not floating-point.
    """
    require_inexact("log_normal_", self._dtype, complex_too=False)
    require(std > 0, "log_normal_", "std > 0.0", std)
    return _fill(self, "log_normal", generator, float(mean), float(std))
