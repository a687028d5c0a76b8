"""State dicts of optimizers, in PyTorch's layout, and the hooks around them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor
from tensorplug.nn._hooks import RemovableHandle, add_hook

from ._settings import number

__all__ = ["Saving"]

_HOOKS = ("_before", "_after", "_save_before", "_save_after", "_load_before", "_load_after")


class Saving:
    """What optimizers know about state dicts, copies and pickles."""

    _numbers: ClassVar[tuple[str, ...]] = ("step",)
    """Entries of a parameter's state that are Python numbers here, and 0-d tensors in PyTorch."""

    defaults: dict[str, Any]
    state: defaultdict[Tensor, dict[str, Any]]
    param_groups: list[dict[str, Any]]
    _before: dict[int, Callable[..., Any]]
    _after: dict[int, Callable[..., Any]]
    _save_before: dict[int, Callable[..., Any]]
    _save_after: dict[int, Callable[..., Any]]
    _load_before: dict[int, Callable[..., Any]]
    _load_after: dict[int, Callable[..., Any]]

    def __init__(self) -> None:
        self._bundles: dict[int, Any] = {}
        for name in _HOOKS:
            setattr(self, name, {})

    def state_dict(self) -> dict[str, Any]:
        """The settings and the state, with parameters numbered in order, in PyTorch's layout."""
        for hook in tuple(self._save_before.values()):
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            members = [numbers.setdefault(id(p), len(numbers)) for p in group["params"]]
            groups.append({**{k: v for k, v in group.items() if k != "params"}, "params": members})
        state = {
            numbers[id(param)]: {key: self._saved(key, value) for key, value in values.items()}
            for param, values in self.state.items()
            if id(param) in numbers
        }
        found: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in tuple(self._save_after.values()):
            changed = hook(self, found)
            found = found if changed is None else changed
        return found

    def _saved(self, key: str, value: Any) -> Any:
        plain = key in self._numbers and not isinstance(value, Tensor)
        return tp.tensor(float(value)) if plain else value

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take settings and state from :meth:`state_dict`'s result, also from PyTorch's.

        State tensors take their parameter's dtype and device; arrays of other libraries,
        ``torch.Tensor`` included, are converted.

        Raises:
            KeyError: ``state_dict`` is not that of an optimizer.
            ValueError: the groups do not have the same numbers of parameters.
        """
        for hook in tuple(self._load_before.values()):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        if missing := [key for key in ("state", "param_groups") if key not in state_dict]:
            raise KeyError(
                f"{type(self).__name__}.load_state_dict: expected the result of state_dict() of an "
                f"optimizer, got a dict without {missing}, of the keys {list(state_dict)[:5]}"
            )
        saved = state_dict["param_groups"]
        sizes = [len(group["params"]) for group in saved]
        wanted = [len(group["params"]) for group in self.param_groups]
        if sizes != wanted:
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: expected groups of {wanted} parameters, "
                f"got {sizes}"
            )
        self.state.clear()
        self._bundles.clear()
        for group, values in zip(self.param_groups, saved, strict=True):
            self._load_group(group, values, state_dict["state"])
        for hook in tuple(self._load_after.values()):
            hook(self)

    def _load_group(self, group: dict[str, Any], saved: dict[str, Any], states: Any) -> None:
        kept = {key: group[key] for key in ("params", "param_names") if key in group}
        group.clear()
        group.update({k: deepcopy(v) for k, v in saved.items() if k != "params"})
        for key, value in (*self.defaults.items(), *kept.items()):
            group.setdefault(key, value)
        for param, index in zip(group["params"], saved["params"], strict=True):
            if index in states:
                self.state[param] = {
                    key: self._restored(group, key, value, param)
                    for key, value in states[index].items()
                }

    def _restored(self, group: dict[str, Any], key: str, value: Any, param: Tensor) -> Any:
        if key not in self._numbers:
            return _restored(value, param)
        if group.get("capturable"):
            return tp.tensor(float(value), dtype=tp.float32, device=param.device)
        value = float(number(value))
        return int(value) if value.is_integer() and key == "step" else value

    def register_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer)`` before each :meth:`state_dict`."""
        return add_hook(self._save_before, hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` after each :meth:`state_dict`; it may replace it."""
        return add_hook(self._save_after, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before loading; it may return another dict."""
        return add_hook(self._load_before, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer)`` after loading."""
        return add_hook(self._load_after, hook, prepend)

    def __getstate__(self) -> dict[str, Any]:
        # Bundles are made again from the state when needed; hooks, as in torch, stay behind.
        return {**self.__dict__, "_bundles": {}, **{name: {} for name in _HOOKS}}


def _restored(value: Any, param: Tensor) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_restored(item, param) for item in value)
    if not isinstance(value, Tensor) and (hasattr(value, "__dlpack__") or hasattr(value, "shape")):
        value = tp.as_tensor(value)
    if isinstance(value, Tensor):
        dtype = param.dtype if value.is_floating_point() or value.is_complex() else value.dtype
        return value.to(device=param.device, dtype=dtype, copy=True)
    return deepcopy(value)
