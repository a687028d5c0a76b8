"""The graph node of rows whose input is a list of tensors, such as ``cat``."""

from __future__ import annotations

from typing import Any

from .node import Node
from .rules import fit

__all__ = ["ListNode"]


class ListNode(Node):
    """A node whose one input is a list: its rule gives a list of gradients."""

    __slots__ = ("count",)

    count: int

    def apply(self, F: Any, grads: Any, tensors: bool) -> Any:
        """As :meth:`Node.apply`; the rule sees the shapes and types of all inputs as tuples."""
        shapes, kinds = self.meta
        _, rule, places = self.plan.rules[0]
        unpacked = self._unpack_list(tensors)
        needs = tuple(parent is not None for parent in self.parents)
        values = (*unpacked, *self.attrs, shapes, kinds, needs)
        found = rule(F, grads, *[values[place] for place in places])
        return [
            None if grad is None or parent is None else fit(F, grad, shape, kind)
            for grad, parent, shape, kind in zip(found, self.parents, shapes, kinds, strict=True)
        ]

    def _unpack_list(self, tensors: bool) -> list[Any]:
        self.check_saved()
        kept = [value for value, _, _ in self.saved]
        values: list[Any] = []
        if any(code >= 0 for code in self.plan.saves):
            items, kept = kept[: self.count], kept[self.count :]
            values.append(list(items) if tensors else [x._h for x in items])
        for code, value in zip([c for c in self.plan.saves if c < 0], kept, strict=True):
            values.append(self._output(-1 - code, value) if tensors else value)
        return values
