"""The autograd graph of a result, as boxes and arrows, as DOT source and as SVG."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tensorplug.autograd.list_node import ListNode
from tensorplug.autograd.node import AccumulateGrad
from tensorplug.autograd.tensor import Tensor
from tensorplug.backends import TensorplugError
from tensorplug.nn.module import Module

from ._draw import draw

__all__ = ["Box", "Graph", "graph"]


class Box(NamedTuple):
    """One box of the drawing."""

    kind: str
    """"op", "leaf" or "output"."""
    lines: tuple[str, ...]
    """A title, and what is written below it."""


_STYLES = {"op": "#f1f3f5", "leaf": "#d0ebff", "output": "#d3f9d8"}


class Graph:
    """What :func:`graph` returns: a drawing of recorded operations.

    Attributes:
        boxes: operations, leaves and outputs, each with its text.
        edges: from pairs of box numbers (from, to) to the text of the arrow, mostly a shape.
    """

    def __init__(self, boxes: list[Box], edges: dict[tuple[int, int], str]) -> None:
        self.boxes = boxes
        self.edges = edges

    @property
    def source(self) -> str:
        """The graph in graphviz's language DOT, for its tools and for further styling."""
        lines = ["digraph autograd {", "  node [shape=box, style=filled, fontname=sans]"]
        for number, box in enumerate(self.boxes):
            text = _quoted("\n".join(box.lines))
            lines.append(f'  n{number} [label={text}, fillcolor="{_STYLES[box.kind]}"]')
        for (start, end), label in self.edges.items():
            lines.append(f"  n{start} -> n{end} [label={_quoted(label)}]")
        return "\n".join([*lines, "}", ""])

    def svg(self, engine: str = "layers") -> str:
        """The drawing as the text of an SVG file.

        Args:
            engine: ``"layers"``, built in, or ``"dot"``, graphviz's own program, which draws
                large graphs better.

        Raises:
            TensorplugError: ``"dot"`` is asked for, and a part of graphviz is missing.
            ValueError: another engine.
        """
        if engine == "layers":
            return draw(self.boxes, self.edges, _STYLES)
        if engine != "dot":
            raise ValueError(f"viz: expected engine 'layers' or 'dot', got {engine!r}")
        try:
            import graphviz
        except ModuleNotFoundError as error:
            raise TensorplugError(
                "viz: expected the module graphviz for engine='dot', but it is not installed; "
                "pip install 'tensorplug[viz]', or use engine='layers'",
                op="viz",
            ) from error
        try:
            return graphviz.Source(self.source).pipe("svg", encoding="utf-8")
        except graphviz.ExecutableNotFound as error:
            raise TensorplugError(
                "viz: expected graphviz's program dot for engine='dot', but it is not on the "
                "PATH; install graphviz (for example: apt install graphviz), or use "
                "engine='layers'",
                op="viz",
            ) from error

    def save(self, path: str | os.PathLike[str], engine: str = "layers") -> Path:
        """Write the drawing to a file, by its ending: ``.svg``, or ``.dot`` or ``.gv`` (source).

        Raises:
            ValueError: the name ends otherwise.
        """
        target = Path(path)
        if target.suffix not in (".svg", ".dot", ".gv"):
            raise ValueError(
                f"viz: expected a file name that ends in .svg, .dot or .gv, got {target.name!r}"
            )
        content = self.svg(engine) if target.suffix == ".svg" else self.source
        target.write_text(content, encoding="utf-8")
        return target

    _repr_svg_ = svg  # what notebooks show

    def __repr__(self) -> str:
        kinds = [box.kind for box in self.boxes]
        return f"<Graph: {kinds.count('op')} operations, {kinds.count('leaf')} leaves>"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def graph(outputs: Any, params: Any = None, *, show_saved: bool = True) -> Graph:
    """Draw the operations that autograd has recorded for a result, from its leaves down to it.

    An arrow from an operation carries the shape of its result.

    Args:
        outputs: a tensor that requires grad, for example a loss; or a list, tuple or dict of such.
        params: names for the leaves: a Module, a dict of tensors, or pairs of name and tensor as
            ``named_parameters()`` gives them.
        show_saved: write in each operation's box what it keeps for the backward pass.

    Returns:
        The drawing: ``.svg()``, ``.save("graph.svg")``, ``.source``; a notebook shows it.

    Raises:
        TypeError: the outputs or names are something else.
        ValueError: nothing was recorded for an output.

    Example:
        >>> model = nn.Linear(3, 2)
        >>> drawing = tp.viz.graph(model(tp.ones(1, 3)).sum(), params=model)
        >>> drawing
        <Graph: 2 operations, 2 leaves>
        >>> sorted(box.lines[0] for box in drawing.boxes if box.kind == "leaf")
        ['bias', 'weight']
    """
    builder = _Builder(_names(params), show_saved)
    for name, tensor in _named_outputs(outputs):
        builder.add(name, tensor)
    return Graph(builder.boxes, builder.edges)


def _named_outputs(outputs: Any) -> list[tuple[str, Tensor]]:
    if isinstance(outputs, Mapping):
        pairs = [(str(name), value) for name, value in outputs.items()]
    elif isinstance(outputs, (list, tuple)):
        pairs = [(f"output {number}", value) for number, value in enumerate(outputs)]
    else:
        pairs = [("output", outputs)]
    for name, value in pairs:
        if not isinstance(value, Tensor):
            raise TypeError(
                f"viz.graph: expected tensors, got {type(value).__name__} as {name}; "
                "pass a loss, or a list or dict of tensors"
            )
        if not value.requires_grad:
            raise ValueError(
                f"viz.graph: expected tensors that require grad, got {name} of shape "
                f"{tuple(value.shape)} for which nothing was recorded; compute it with gradients "
                "enabled, from tensors with requires_grad=True"
            )
    return pairs


def _names(params: Any) -> dict[int, str]:
    if params is None:
        return {}
    if isinstance(params, Module):
        params = params.named_parameters()
    elif isinstance(params, Mapping):
        params = params.items()
    if not isinstance(params, Iterable):
        raise TypeError(
            "viz.graph: expected params to be a Module, a dict of tensors or pairs of name and "
            f"tensor, got {type(params).__name__}"
        )
    return {id(tensor): str(name) for name, tensor in params}


class _Builder:
    """Walks from the outputs to the leaves, and numbers what it meets."""

    def __init__(self, names: dict[int, str], show_saved: bool) -> None:
        self.names = names
        self.show_saved = show_saved
        self.boxes: list[Box] = []
        self.edges: dict[tuple[int, int], str] = {}
        self.numbers: dict[int, int] = {}
        self.alive: list[Any] = []  # so that no id() is given away twice

    def add(self, name: str, tensor: Tensor) -> None:
        """Draw an output and all it was computed from."""
        end = self._box(Box("output", (name, _described(tensor))), object())
        source = AccumulateGrad(tensor) if tensor.is_leaf else tensor.grad_fn
        todo = self._arrow(source, tensor.output_nr, end, _shape(tensor))
        while todo:
            node = todo.pop()
            for position, (parent, output) in enumerate(node.next_functions):
                if parent is not None:
                    shape = _input_shape(node, position)
                    todo += self._arrow(parent, output, self.numbers[id(node)], shape)

    def _arrow(self, source: Any, output: int, end: int, shape: str) -> list[Any]:
        """Draw an arrow from ``source``; return that node if it is new and has parents."""
        key = source.variable if isinstance(source, AccumulateGrad) else source
        if isinstance(source, AccumulateGrad):
            shape = ""  # the leaf's box says it
        new = id(key) not in self.numbers
        start = self._box(self._text(source), key) if new else self.numbers[id(key)]
        label = f"[{output}] {shape}" if output else shape
        known = self.edges.get((start, end))
        self.edges[start, end] = f"{known}, {label}" if known and label else label
        return [source] if new and source.next_functions else []

    def _box(self, box: Box, key: Any) -> int:
        self.numbers[id(key)] = number = len(self.boxes)
        self.alive.append(key)
        self.boxes.append(box)
        return number

    def _text(self, source: Any) -> Box:
        if isinstance(source, AccumulateGrad):
            leaf = source.variable
            return Box("leaf", (self.names.get(id(leaf), "leaf"), _described(leaf)))
        saved = _saved(source) if self.show_saved else ""
        return Box("op", (source.name(), saved) if saved else (source.name(),))


def _shape(value: Any) -> str:
    return str(tuple(value.shape))


def _described(tensor: Tensor) -> str:
    return f"{_shape(tensor)} {str(tensor.dtype).rpartition('.')[2]}"


def _input_shape(node: Any, position: int) -> str:
    if isinstance(node, ListNode):
        return str(tuple(node.meta[0][position]))
    return str(tuple(node.meta[2 * position])) if node.meta else ""  # none: a transfer


def _saved(node: Any) -> str:
    """The shapes of what a node keeps, by name where its rule gives names."""
    if node.saved is None:
        return "saved: freed by backward"
    values = [entry[0][0] if type(entry[0]) is tuple else entry[0] for entry in node.saved]
    names = [""] * len(values)
    if node.plan is not None and len(node.plan.saves) == len(values):
        inputs, outputs = node.row.inputs, node.row.outputs
        single = len(outputs) == 1
        for at, code in enumerate(node.plan.saves):
            out = "out" if single else outputs[-1 - code] if code < 0 else ""
            names[at] = f"{inputs[code]} " if code >= 0 else f"{out} "
    shown = [
        f"{name}{_shape(value)}"
        for name, value in zip(names, values, strict=True)
        if hasattr(value, "shape")
    ]
    return f"saved: {', '.join(shown)}" if shown else ""
