"""A table of a model's layers, with the shapes that go through them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor
from tensorplug.nn.module import Module
from tensorplug.nn.parameter import Parameter

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["LayerRow", "ModelSummary", "summary"]


@dataclass
class LayerRow:
    """One module of a :class:`ModelSummary`."""

    name: str
    """Its dotted name; empty for the model itself."""
    kind: str
    """Its class."""
    input_shape: Any = None
    """Of the tensors given to the first call, nested as they were; None if it was not called."""
    output_shape: Any = None
    parameters: int = 0
    """Numbers in its own parameters, without those below and those of rows before."""
    trainable: int = 0
    """How many of them require grad."""
    bytes: int = 0
    """Of its own parameters and buffers."""


@dataclass
class ModelSummary:
    """What :func:`summary` returns; ``str()`` gives the table."""

    rows: list[LayerRow]

    @property
    def total_parameters(self) -> int:
        """Numbers in all parameters; shared ones count once."""
        return sum(row.parameters for row in self.rows)

    @property
    def trainable_parameters(self) -> int:
        """Numbers in the parameters that require grad."""
        return sum(row.trainable for row in self.rows)

    @property
    def total_bytes(self) -> int:
        """The size of all parameters and buffers."""
        return sum(row.bytes for row in self.rows)

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=max(80, *(len(row.name) + 120 for row in self.rows)))
        with console.capture() as capture:
            console.print(self._table())
        frozen = self.total_parameters - self.trainable_parameters
        lines = [line.rstrip() for line in capture.get().splitlines() if line.strip()]
        return (
            "\n".join(lines) + f"\nparameters {self.total_parameters:,} "
            f"(trainable {self.trainable_parameters:,}, frozen {frozen:,}), "
            f"{_size(self.total_bytes)} with buffers"
        )

    def _table(self) -> Table:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for title, justify in (
            ("layer", "left"), ("class", "left"), ("input", "left"), ("output", "left"),
            ("parameters", "right"), ("trainable", "right"),
        ):  # fmt: skip
            # The texts above are among those that rich takes.
            table.add_column(title, justify=justify, no_wrap=True)  # type: ignore[arg-type]
        for row in self.rows:
            depth = row.name.count(".") + bool(row.name)
            state = "yes" if row.trainable else "no"
            if 0 < row.trainable < row.parameters:
                state = f"{row.trainable:,}"
            cells = (
                "  " * depth + row.name.rpartition(".")[2], row.kind,
                _shown(row.input_shape), _shown(row.output_shape),
                f"{row.parameters:,}" if row.parameters else "-",
                state if row.parameters else "-",
            )  # fmt: skip
            table.add_row(*map(Text, cells))  # Text, for strings are searched for markup
        return table

    def __repr__(self) -> str:
        return f"<ModelSummary: {len(self.rows)} modules, {self.total_parameters} parameters>"


def summary(model: Module, input: Any = None, *, quiet: bool = False) -> ModelSummary:
    """Print a table of the layers: names, classes, shapes, parameters, and totals.

    The model is called once, in evaluation mode and without gradients. Afterwards its modes,
    hooks and the random generators are as before. A parameter used in several places counts in
    the first.

    Args:
        model: the module.
        input: a tensor; a tuple or list of the arguments; a dict of keyword arguments; or in
            place of a tensor its shape, a tuple of ints, which stands for random numbers.
            Without one the table has no shapes, and nothing is called.
        quiet: do not print.

    Returns:
        The rows and totals; its ``str()`` is the table.

    Raises:
        TypeError: not a module, or not such an input.

    Example:
        >>> table = tp.summary(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), (2, 3), quiet=True)
        >>> [(row.kind, row.output_shape, row.parameters) for row in table.rows]
        [('Sequential', (2, 4), 0), ('Linear', (2, 4), 16), ('ReLU', (2, 4), 0)]
        >>> table.total_parameters, table.total_bytes
        (16, 64)
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary: expected a Module, got {type(model).__name__}")
    shapes: dict[int, tuple[Any, Any]] = {}
    if input is not None:
        args, kwargs = _arguments(model, input)
        shapes = _call(model, args, kwargs)
    result = ModelSummary(_rows(model, shapes))  # after the call, which fills lazy layers
    if not quiet:
        sys.stdout.write(f"{result}\n")
    return result


def _arguments(model: Module, input: Any) -> tuple[list[Any], dict[str, Any]]:
    if isinstance(input, Mapping):
        return [], {name: _argument(model, value) for name, value in input.items()}
    if isinstance(input, (list, tuple)) and not _is_shape(input):
        return [_argument(model, value) for value in input], {}
    return [_argument(model, input)], {}


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and all(type(size) is int for size in value)


def _argument(model: Module, value: Any) -> Any:
    """A shape's random numbers, of the type and on the device of the first parameter."""
    if isinstance(value, (int, float)):
        raise TypeError(
            "summary: expected as input a tensor, a shape (a tuple of ints), a list of these or a "
            f"dict of keyword arguments, got {type(value).__name__}"
        )
    if not _is_shape(value):
        return value
    like = next((p for p in model.parameters() if p.is_floating_point()), None)
    with tp.random.fork_rng():
        if like is None:
            return tp.rand(value)
        return tp.rand(value, dtype=like.dtype, device=like.device)


def _call(model: Module, args: list[Any], kwargs: dict[str, Any]) -> dict[int, tuple[Any, Any]]:
    """Call the model once; return the shapes that each module got and gave at first, by its id."""
    found: dict[int, tuple[Any, Any]] = {}

    def note(module: Module, given: Any, named: dict[str, Any], output: Any) -> None:
        shapes = _shapes((*given, named) if named else given)
        shapes = shapes[0] if len(shapes) == 1 else shapes
        found.setdefault(id(module), (shapes, _shapes(output)))

    modes = {module: module.training for module in model.modules()}
    handles = [module.register_forward_hook(note, with_kwargs=True) for module in modes]
    try:
        model.eval()
        with tp.no_grad(), tp.random.fork_rng():
            model(*args, **kwargs)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    return found


def _shapes(value: Any) -> Any:
    """The shapes of nested tensors; other values by their class."""
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if isinstance(value, Mapping):
        return {name: _shapes(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(map(_shapes, value))
    return type(value).__name__


def _shown(shape: Any) -> str:
    if shape is None:
        return "-"
    if isinstance(shape, tuple) and shape and not _is_shape(shape):
        return ", ".join(map(str, shape))
    return str(shape)


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.4g} GiB"


def _rows(model: Module, shapes: dict[int, tuple[Any, Any]]) -> list[LayerRow]:
    rows: list[LayerRow] = []
    seen: set[int] = set()
    for name, module in model.named_modules():
        row = LayerRow(name, type(module).__name__, *shapes.get(id(module), (None, None)))
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            if id(tensor) not in seen:
                seen.add(id(tensor))
                row.bytes += tensor.numel() * tensor.element_size()
                if isinstance(tensor, Parameter):
                    row.parameters += tensor.numel()
                    row.trainable += tensor.numel() * tensor.requires_grad
        rows.append(row)
    return rows
