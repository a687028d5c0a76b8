"""Putting operations into the graph: which node an output gets, and what the node keeps."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from .modes import ANOMALY
from .node import Node, hooks_of
from .tensor import Edge, Tensor, _new, edge, touch

if TYPE_CHECKING:
    from .registry import Row

__all__ = [
    "hang",
    "keep",
    "keep_output",
    "record",
    "record_number",
    "record_one",
    "record_two",
]


def record(row: Row, outs: Any, inputs: tuple[Any, ...], attrs: tuple[Any, ...]) -> None:
    """Put an operation into the graph: make its node and hang the outputs on it.

    ``outs`` is the output tensor, or the tuple of them. Called in grad mode only.
    """
    parents, mask = [], 0
    for position, x in enumerate(inputs):
        parent = None
        if type(x) is Tensor:
            parent = edge(x)
            if parent is not None:
                mask |= 1 << position
        parents.append(parent)
    if not mask:
        return
    plan = row.plans.get(mask) or row.plan(mask)
    node: Any = _new(plan.node_type)
    node.parents, node.hooks = tuple(parents), None
    if attrs:
        node.attrs = attrs
    meta: list[Any] = []
    for x in inputs:
        meta += (x._h.shape, x._dtype) if type(x) is Tensor else (None, None)
    node.meta = tuple(meta)
    results = (outs,) if type(outs) is Tensor else outs
    node.saved = tuple(
        keep(inputs[code]) if code >= 0 else keep_output(results[-1 - code]) for code in plan.saves
    )
    hang(node, outs)


def keep(value: Any) -> tuple[Any, Any, int]:
    """An input as a node saves it, with the version of its storage; numbers have none."""
    if type(value) is not Tensor:
        return value, None, 0
    version = touch(value)
    return value, version, version[0]


def keep_output(value: Tensor) -> tuple[Any, Any, int]:
    """An output as its node saves it: without the tensor, which points to the node."""
    version = touch(value)
    return value._h, version, version[0]


def hang(node: Any, outs: Any) -> None:
    """Make tensors the outputs of a node; of several, integer ones stay without gradient."""
    if type(outs) is Tensor:
        node.device = outs._device
        outs._node, outs._track = node, True
    else:
        node.device = next(out._device for out in outs if out is not None)
        node.outputs = tuple(None if o is None else (o._h.shape, o._dtype) for o in outs)
        for index, out in enumerate(outs):
            if out is not None and out._dtype.is_inexact:
                out._node, out._track = Edge(node, index), True
    if ANOMALY[0]:
        trace_node(node)


def trace_node(node: Node) -> None:
    """In anomaly mode: remember where the op was called."""
    hooks_of(node).trace = traceback.format_stack()[:-3]


# --- the hot cases of :func:`record`, unrolled ---------------------------------------------------


def record_one(row: Row, out: Tensor, x: Tensor, attrs: tuple[Any, ...]) -> None:
    """:func:`record` for one input and one output."""
    parent = x._node if x._view is None else edge(x)
    if parent is None:
        if x._track is not True:
            return
        parent = x
    try:
        plan = row.plans[1]
    except KeyError:
        plan = row.plan(1)
    node: Any = _new(plan.node_type)
    node.parents = (parent,)
    node.meta = (x._h.shape, x._dtype)
    node.hooks = None
    node.device = out._device
    if attrs:
        node.attrs = attrs
    saved: tuple[Any, ...] = ()
    for code in plan.saves:
        holder = out if code < 0 else x
        version = holder._writes
        if version is None:
            version = holder._writes = [0]
        saved += ((out._h if code < 0 else x, version, version[0]),)
    node.saved = saved
    out._node = node
    out._track = True
    if ANOMALY[0]:
        trace_node(node)


_BOTH = (1, 0)  # the second input and the first, as products save them


def record_two(row: Row, out: Tensor, x: Tensor, y: Tensor) -> None:
    """:func:`record` for two input tensors and one output."""
    one = x._node if x._view is None else edge(x)
    if one is None and x._track is True:
        one = x
    two = y._node if y._view is None else edge(y)
    if two is None and y._track is True:
        two = y
    mask = (1 if one is not None else 0) + (2 if two is not None else 0)
    if not mask:
        return
    try:
        plan = row.plans[mask]
    except KeyError:
        plan = row.plan(mask)
    node: Any = _new(plan.node_type)
    node.parents = (one, two)
    node.meta = (x._h.shape, x._dtype, y._h.shape, y._dtype)
    node.hooks = None
    node.device = out._device
    if plan.saves == _BOTH:
        first, second = x._writes, y._writes
        if first is None:
            first = x._writes = [0]
        if second is None:
            second = y._writes = [0]
        node.saved = ((y, second, second[0]), (x, first, first[0]))
    else:
        saved: tuple[Any, ...] = ()
        for code in plan.saves:
            holder = out if code < 0 else y if code else x
            version = holder._writes
            if version is None:
                version = holder._writes = [0]
            saved += ((out._h if code < 0 else holder, version, version[0]),)
        node.saved = saved
    out._node = node
    out._track = True
    if ANOMALY[0]:
        trace_node(node)


def record_number(row: Row, out: Tensor, x: Tensor, number: Any) -> None:
    """:func:`record` for an input tensor and a Python number."""
    parent = x._node if x._view is None else edge(x)
    if parent is None:
        if x._track is not True:
            return
        parent = x
    try:
        plan = row.plans[1]
    except KeyError:
        plan = row.plan(1)
    node: Any = _new(plan.node_type)
    node.parents = (parent, None)
    node.meta = (x._h.shape, x._dtype, None, None)
    node.hooks = None
    node.device = out._device
    saved: tuple[Any, ...] = ()
    for code in plan.saves:
        if code == 1:
            saved += ((number, None, 0),)
            continue
        holder = out if code else x
        version = holder._writes
        if version is None:
            version = holder._writes = [0]
        saved += ((out._h if code else x, version, version[0]),)
    node.saved = saved
    out._node = node
    out._track = True
    if ANOMALY[0]:
        trace_node(node)
