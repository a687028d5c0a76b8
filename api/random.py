"""Random number generators: seeds, states and the default generator of each device.

``tp.manual_seed(0)`` gives the same numbers on every device: each has a generator of its own,
all start from the same seed, and the rule from seed to numbers (``Note [Random numbers]`` in
``tensorplug.backends.random``) is the same everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .autograd.errors import OpError, OpTypeError, OpValueError
from .autograd.tensor import Tensor, make
from .backends import dtypes
from .backends.capabilities import require
from .backends.device import Device
from .backends.random import Stream

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "get_rng_state_all",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
    "set_rng_state_all",
    "stream_of",
]

_FIRST_SEED = 67280421310721  # of a new Generator, as in torch


class Generator:
    """A source of random numbers: a seed and a position in the sequence that it starts.

    Safe to share between threads, can be pickled and copied. As every device draws the same
    numbers, a generator may be used for tensors on any device.

    Args:
        device: what :attr:`device` says.

    Example:
        >>> g = tp.Generator().manual_seed(0)
        >>> state = g.get_state()
        >>> a = tp.rand(3, generator=g)
        >>> g = g.set_state(state)
        >>> bool((a == tp.rand(3, generator=g)).all())
        True
    """

    __slots__ = ("_stream", "_where")

    def __init__(self, device: Any = "cpu") -> None:
        self._where = device
        self._stream = Stream(_FIRST_SEED)

    @property
    def device(self) -> Device:
        """The device that the generator was made for."""
        return self._where if type(self._where) is Device else Device(self._where)

    def manual_seed(self, seed: int) -> Generator:
        """Start again from a seed, and return the generator.

        Raises:
            RuntimeError: the seed does not fit 64 bits.
        """
        self._stream.reset(_checked(seed))
        return self

    def seed(self) -> int:
        """Start again from a seed that nobody can foresee, and return it."""
        found = _unforeseen()
        self._stream.reset(found)
        return found

    def initial_seed(self) -> int:
        """The seed that the numbers come from."""
        return self._stream.key[0]

    def get_state(self) -> Tensor:
        """Seed and position, a uint8 tensor on the cpu that can be saved."""
        cpu = Device("cpu")
        return make(cpu.backend.from_host(self._stream.save(), 0), dtypes.uint8, cpu)

    def set_state(self, new_state: Tensor) -> Generator:
        """Go back to a state from :meth:`get_state`, and return the generator.

        Raises:
            TypeError: ``new_state`` is no tensor.
            RuntimeError: it is another tensor.
        """
        if type(new_state) is not Tensor:
            raise OpTypeError(
                f"set_state: expected a uint8 tensor, got {type(new_state).__name__}; "
                "pass what get_state() returned",
                op="set_state",
            )
        self._stream.restore(new_state._device.backend.to_host(new_state._h))
        return self

    def clone_state(self) -> Generator:
        """A new generator at the same position."""
        return _restored(str(self._where), self.get_state())

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (str(self._where), self.get_state())

    def __repr__(self) -> str:
        stream = self._stream
        where = str(self._where)
        return f"Generator(device='{where}', seed={stream.key[0]}, counter={stream.counter})"


def _unforeseen() -> int:
    """63 random bits of the operating system."""
    return int.from_bytes(os.urandom(8), "little") >> 1


def _restored(device: str, state: Tensor) -> Generator:
    return Generator(device).set_state(state)


def _checked(seed: Any) -> int:
    try:
        found = int(seed)
    except (TypeError, ValueError):
        raise OpValueError(
            f"manual_seed: expected an integer, got {seed!r}; pass for example 0",
            op="manual_seed",
            got=seed,
        ) from None
    if not -(1 << 63) <= found < 1 << 64:
        raise OpError(
            f"manual_seed: expected a seed of 64 bits, from -2**63 to 2**64 - 1, got {found}; "
            "take it modulo 2**64",
            op="manual_seed",
        )
    return found


# --- the default generators ----------------------------------------------------------------------

default_generator = Generator("cpu")
"""The generator of the cpu, used where ``generator=`` is not given."""

_seed = [default_generator.seed()]  # where the generator of a device that is new starts from
_defaults: dict[Device, Generator] = {}


def _default(device: Device) -> Generator:
    """The default generator of a device, made when first needed."""
    try:
        return _defaults[device]
    except KeyError:
        if device is Device("cpu"):
            new = default_generator
        else:
            new = Generator(device).manual_seed(_seed[0])
        return _defaults.setdefault(device, new)


def stream_of(name: str, generator: Generator | None, device: Device) -> Stream:
    """The stream of ``generator``, or of the device's default generator.

    Raises:
        CapabilityError: the device does not declare random numbers.
        TypeError: ``generator`` is something else.
    """
    require(device, "random", name)
    if generator is None:
        return _default(device)._stream
    if isinstance(generator, Generator):
        return generator._stream
    raise OpTypeError(
        f"{name}: expected generator to be a tp.Generator, got {type(generator).__name__}; "
        "make one with tp.Generator().manual_seed(0)",
        op=name,
    )


def manual_seed(seed: int) -> Generator:
    """Start the default generators of all devices from a seed; return the cpu's.

    Raises:
        RuntimeError: the seed does not fit 64 bits.
        ValueError: it is no number.

    Example:
        >>> _ = tp.manual_seed(0)
        >>> a = tp.rand(2)
        >>> _ = tp.manual_seed(0)
        >>> bool((a == tp.rand(2)).all())
        True
    """
    _seed[0] = _checked(seed)
    for generator in (default_generator, *_defaults.values()):
        generator.manual_seed(_seed[0])
    return default_generator


def seed() -> int:
    """Start the default generators from a seed that nobody can foresee, and return it."""
    found = _unforeseen()
    manual_seed(found)
    return found


def initial_seed() -> int:
    """The seed of the cpu's default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the cpu's default generator."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Set the state of the cpu's default generator, from :func:`get_rng_state`."""
    default_generator.set_state(new_state)


def get_rng_state_all() -> dict[str, Any]:
    """The states of the default generators of all devices, to be saved in a checkpoint.

    Example:
        >>> states = tp.random.get_rng_state_all()
        >>> a = tp.rand(2)
        >>> tp.random.set_rng_state_all(states)
        >>> bool((a == tp.rand(2)).all())
        True
    """
    _default(Device("cpu"))
    states = {str(device): generator.get_state() for device, generator in _defaults.items()}
    return {"seed": _seed[0], "states": states}


def set_rng_state_all(states: Any) -> None:
    """Set the default generators of all devices, from :func:`get_rng_state_all`.

    Those of devices that drew no numbers until then start from the seed of that time.
    """
    manual_seed(states["seed"])
    for device, state in states["states"].items():
        _default(Device(device)).set_state(state)


@contextmanager
def fork_rng(
    devices: Any = None, enabled: bool = True, device_type: str | None = None
) -> Iterator[None]:
    """Draw inside the block without changing what is drawn after it.

    Args:
        devices: accepted for compatibility; the generators of all devices are put back.
        enabled: False makes the block an ordinary one.
        device_type: accepted for compatibility.

    Example:
        >>> _ = tp.manual_seed(0)
        >>> with tp.random.fork_rng():
        ...     a = tp.rand(2)
        >>> bool((a == tp.rand(2)).all())
        True
    """
    if not enabled:
        yield
        return
    start = _seed[0]
    _default(Device("cpu"))
    saved = {device: generator._stream.save() for device, generator in _defaults.items()}
    try:
        yield
    finally:
        _seed[0] = start
        for device, generator in _defaults.items():
            if device in saved:
                generator._stream.restore(saved[device])
            else:  # first used inside the block
                generator.manual_seed(start)
