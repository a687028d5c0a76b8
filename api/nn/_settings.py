"""What layers without parameters have in common: they keep their arguments and print them."""

from __future__ import annotations

from typing import ClassVar

from .module import Module

__all__ = ["SettingsLayer"]


class SettingsLayer(Module):
    """A layer whose ``repr`` lists the attributes named in ``_shown``, in that order.

    ``inplace`` is only shown when it is set.
    """

    _shown: ClassVar[tuple[str, ...]] = ()
    inplace: bool = False

    def extra_repr(self) -> str:
        parts = [f"{name}={getattr(self, name)!r}" for name in self._shown]
        return ", ".join([*parts, "inplace=True"] if self.inplace else parts)
