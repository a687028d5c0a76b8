"""The base class of all optimizers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor
from tensorplug.nn._hooks import RemovableHandle, add_hook

from ._bundle import Bundles

__all__ = ["Optimizer", "number", "required"]


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()
"""A default that each parameter group must replace."""


def number(value: Any) -> Any:
    """A setting as a Python number; learning rates may be tensors of one element."""
    return value.item() if isinstance(value, Tensor) else value


class Optimizer:
    """Parameters in groups, the settings of each group, and the state of each parameter.

    A subclass passes its settings as ``defaults`` and defines :meth:`_delta`, the change of one
    parameter, or overrides :meth:`step` itself.

    Args:
        params: tensors, or dicts with "params" and settings that differ, or (name, tensor) pairs.
        defaults: the settings of groups that do not say otherwise.

    Attributes:
        param_groups: one dict per group: "params", a list of tensors, and its settings.
        state: for each parameter a dict, for example of running averages.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                f"{type(self).__name__}: expected an iterable of parameters, got one Tensor; "
                "put it into a list"
            )
        given: Any = params
        if not isinstance(given, Iterable):
            got = type(given).__name__
            hint = "pass model.parameters()" if hasattr(given, "parameters") else "pass a list"
            raise TypeError(
                f"{type(self).__name__}: expected an iterable of parameters, got {got}; {hint}"
            )
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._bundles: dict[int, Bundles] = {}
        self._before: dict[int, Callable[..., Any]] = {}
        self._after: dict[int, Callable[..., Any]] = {}
        groups = list(params)
        if not groups:
            raise ValueError(f"{type(self).__name__}: expected parameters, got an empty list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Optimize more parameters, with their own settings, for example when unfreezing layers.

        Raises:
            TypeError, ValueError: not leaf tensors, no ``params``, a parameter given twice, or a
                setting without a default is missing.
        """
        name = type(self).__name__
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(f"{name}: expected a group {{'params': ..., }}, got {param_group!r}")
        group = dict(param_group)
        members = self._members(group["params"])
        names = [pair[0] for pair in members if isinstance(pair, tuple)]
        if names and len(names) != len(members):
            raise ValueError(f"{name}: expected names for all parameters of a group or for none")
        group["params"] = [pair[1] if isinstance(pair, tuple) else pair for pair in members]
        if names:
            group["param_names"] = names
        self._check_members(group["params"])
        for key, value in self.defaults.items():
            if group.setdefault(key, value) is required:
                raise ValueError(f"{name}: expected a value of {key!r} in each group, got none")
        self._check_settings(group)
        self.param_groups.append(group)

    def _members(self, params: Any) -> list[Any]:
        if isinstance(params, Tensor):
            return [params]
        if isinstance(params, (set, frozenset)):
            raise TypeError(
                f"{type(self).__name__}: expected parameters in a fixed order, got a set; "
                "use a list"
            )
        return list(params)

    def _check_members(self, params: list[Any]) -> None:
        name = type(self).__name__
        known = {id(param) for group in self.param_groups for param in group["params"]}
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(f"{name}: expected Tensors, got {type(param).__name__}")
            if not param.is_leaf:
                raise ValueError(
                    f"{name}: expected leaf tensors, got a computed one of shape "
                    f"{tuple(param.shape)}; can't optimize a non-leaf Tensor"
                )
            if id(param) in known:
                raise ValueError(
                    f"{name}: expected each parameter once, got one of shape "
                    f"{tuple(param.shape)} twice"
                )
            known.add(id(param))

    def _check_settings(self, group: dict[str, Any]) -> None:
        """Raise ValueError when a group's settings make no sense; subclasses extend it."""
        for key in ("lr", "weight_decay", "eps", "momentum"):
            if key in group and number(group[key]) < 0:
                raise ValueError(
                    f"{type(self).__name__}: expected {key} of at least 0, got {group[key]}"
                )
        if group.get("differentiable"):
            raise ValueError(
                f"{type(self).__name__}: expected differentiable=False, got True; "
                "write the update with tensor operations to differentiate through it"
            )

    # --- stepping -------------------------------------------------------------------------------
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or fill them with zeros when ``set_to_none`` is False."""
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is None:
                    continue
                if set_to_none:
                    param.grad = None
                else:
                    param.grad = tp.zeros_like(param.grad)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change all parameters that have a gradient.

        Args:
            closure: computes the loss again with gradients; some optimizers need it.

        Returns:
            What ``closure`` returned, or None.
        """
        loss = None
        for hook in tuple(self._before.values()):
            hook(self, (closure,), {})
        if closure is not None:
            with tp.enable_grad():
                loss = closure()
        with tp.no_grad():
            for group in self.param_groups:
                params = [param for param in group["params"] if param.grad is not None]
                if params:
                    self._update(group, params)
        for hook in tuple(self._after.values()):
            hook(self, (closure,), {})
        return loss

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        """Change ``params``, those of ``group`` that have a gradient, in place."""
        names = self._bundled_state(group)
        if names and group.get("foreach") is not False:
            bundles = self._bundles.setdefault(id(group), Bundles())
            complete, params = bundles.split(params, self.state, names)
            for bundle in complete:
                bundle.step(group, self._delta)
        for param in params:
            state = self.state.get(param, {})
            param.add_(self._delta(group, state, param, param.grad))
            if state:
                self.state[param] = state

    def _delta(
        self, group: dict[str, Any], state: dict[str, Any], param: Tensor, grad: Any
    ) -> Tensor:
        """Bring ``state`` up to date and return what is to be added to ``param``.

        ``state`` is empty at a parameter's first step. ``param`` may only be read where the group
        has weight decay; ``grad`` must not be changed. Everything must be element by element, so
        that small parameters can be updated together.
        """
        raise NotImplementedError(
            f"{type(self).__name__}: expected a _delta() or step() method, got none"
        )

    def _bundled_state(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The names of the state's tensors; none where one by one is as fast."""
        return ()

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step, until the handle removes it."""
        return add_hook(self._before, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step, until the handle removes it."""
        return add_hook(self._after, hook)

    # --- saving ---------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """The settings and the state, with parameters numbered in order, in PyTorch's layout."""
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            members = [numbers.setdefault(id(p), len(numbers)) for p in group["params"]]
            groups.append({**{k: v for k, v in group.items() if k != "params"}, "params": members})
        state = {
            numbers[id(param)]: {
                key: tp.tensor(float(value)) if key == "step" else value
                for key, value in values.items()
            }
            for param, values in self.state.items()
            if id(param) in numbers
        }
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take settings and state from :meth:`state_dict`'s result, also from PyTorch's.

        State tensors take their parameter's dtype and device.

        Raises:
            ValueError: the groups do not have the same numbers of parameters.
        """
        name = type(self).__name__
        saved = state_dict["param_groups"]
        sizes = [len(group["params"]) for group in saved]
        wanted = [len(group["params"]) for group in self.param_groups]
        if sizes != wanted:
            raise ValueError(
                f"{name}.load_state_dict: expected groups of {wanted} parameters, got {sizes}"
            )
        self.state.clear()
        self._bundles.clear()
        for group, values in zip(self.param_groups, saved, strict=True):
            params = group["params"]
            group.clear()
            group.update({k: deepcopy(v) for k, v in values.items() if k != "params"})
            for key, default in self.defaults.items():
                group.setdefault(key, default)
            group["params"] = params
            for param, index in zip(params, values["params"], strict=True):
                if index in state_dict["state"]:
                    self.state[param] = {
                        key: _restored(key, value, param)
                        for key, value in state_dict["state"][index].items()
                    }

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_bundles": {}}  # made again from the state when needed

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for number_, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {number_}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])


def _restored(key: str, value: Any, param: Tensor) -> Any:
    if key == "step":
        return int(number(value))
    if isinstance(value, Tensor):
        dtype = param.dtype if value.is_floating_point() or value.is_complex() else value.dtype
        return value.to(device=param.device, dtype=dtype, copy=True)
    return deepcopy(value)
