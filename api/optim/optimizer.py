"""The base class of all optimizers: groups, hooks and the step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import wraps
from itertools import chain
from typing import Any, ClassVar

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor
from tensorplug.nn._hooks import RemovableHandle, add_hook

from ._arithmetic import add_scaled
from ._bundle import Bundles, State
from ._fused import fused_step
from ._saving import Saving
from ._settings import number, required, setting

__all__ = [
    "Optimizer", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook",
    "required",
]  # fmt: skip


_NOT_NEGATIVE = ("lr", "weight_decay", "eps", "momentum", "lr_decay", "momentum_decay")

_BEFORE: dict[int, Callable[..., Any]] = {}
_AFTER: dict[int, Callable[..., Any]] = {}


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` before the steps of all optimizers."""
    return add_hook(_BEFORE, hook)


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` after the steps of all optimizers."""
    return add_hook(_AFTER, hook)


def _hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """A ``step`` method that counts its calls and runs the hooks around them."""

    @wraps(step)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not (self._before or _BEFORE or self._after or _AFTER):
            result = step(self, *args, **kwargs)
            self._steps += 1
            return result
        args = (self, *args)
        for hook in (*_BEFORE.values(), *self._before.values()):
            changed = hook(self, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        f"{type(self).__name__}.step: expected a hook to return None or a tuple "
                        f"of new (args, kwargs), got {changed!r}"
                    )
                args, kwargs = changed
        result = step(*args, **kwargs)
        self._steps += 1
        for hook in (*self._after.values(), *_AFTER.values()):
            hook(self, args, kwargs)
        return result

    return call


class Optimizer(Saving):
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
        super().__init__()
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._steps = 0
        groups = list(params)
        if not groups:
            raise ValueError(f"{type(self).__name__}: expected parameters, got an empty list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _hooked(cls.step)  # type: ignore[method-assign]  # the same, with hooks

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
        for known in self.param_groups:
            if ("param_names" in known) != ("param_names" in group):
                got = "one with names" if "param_names" in group else "one without"
                raise ValueError(
                    f"{name}: expected groups that all have names or all have none, got {got} "
                    "after the others"
                )
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
            if not (param.is_leaf or param.retains_grad):
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
        name = type(self).__name__
        lr = group.get("lr")
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError(f"{name}: expected lr of one element, got shape {tuple(lr.shape)}")
        for key in _NOT_NEGATIVE:
            if isinstance(group.get(key), (int, float, Tensor)) and not number(group[key]) >= 0:
                raise ValueError(f"{name}: expected {key} of at least 0, got {group[key]}")
        betas = group.get("betas", ())
        if betas and (len(betas) != 2 or not all(0 <= number(beta) < 1 for beta in betas)):
            raise ValueError(f"{name}: expected two betas from 0 to below 1, got {betas}")
        if group.get("differentiable"):
            raise ValueError(
                f"{name}: expected differentiable=False, got True; "
                "write the update with tensor operations to differentiate through it"
            )
        if group.get("fused") and group.get("foreach"):
            raise RuntimeError(f"{name}: expected either fused or foreach, got both True")

    # --- stepping -------------------------------------------------------------------------------
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or fill them with zeros when ``set_to_none`` is False."""
        for param in chain.from_iterable(group["params"] for group in self.param_groups):
            if set_to_none:
                param._grad = None
            elif param._grad is not None:
                param._grad.detach_().zero_()

    @_hooked
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change all parameters that have a gradient.

        Args:
            closure: computes the loss again with gradients; some optimizers need it.

        Returns:
            What ``closure`` returned, or None.
        """
        loss = None
        if closure is not None:
            with tp.enable_grad():
                loss = closure()
        with tp.no_grad():
            for group in self.param_groups:
                params = [param for param in group["params"] if param._grad is not None]
                if params:
                    self._update(group, params)
        return loss

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        """Change ``params``, those of ``group`` that have a gradient, in place."""
        names = self._bundled_state(group)
        if params[0]._device.backend.fused_steps():
            params = self._step_fused(group, params, names)
        if names and group.get("foreach") is not False:
            bundles = self._bundles.setdefault(id(group), Bundles())
            complete, params = bundles.split(params, self.state, names, self._numbers)
            for bundle in complete:
                bundle.step(group, self._change, self._reads_params(group))
        for param in params:
            state = self.state.get(param, {})
            direction, rate = self._change(group, state, param, param._grad)
            add_scaled(param, direction, rate)
            if state:
                self.state[param] = state

    def _step_fused(
        self, group: dict[str, Any], params: list[Tensor], names: tuple[str, ...]
    ) -> list[Tensor]:
        """Do what the backend can do at once, and give the parameters that are left."""
        step = self._fused(group)
        switched_off = group.get("fused") is False or group.get("capturable")
        if step is None or switched_off or any(type(v) is Tensor for v in step[1].values()):
            return params
        for param in params if self._fused_begins else ():
            if not self.state.get(param):
                self._begin(group, self.state.setdefault(param, {}), param)
        return fused_step(*step, params, self.state, names)

    def _change(
        self, group: dict[str, Any], state: State, param: Tensor, grad: Any
    ) -> tuple[Tensor, Any]:
        """What to add to ``param``, as a tensor and a factor, with all that optimizers share."""
        if not state:
            self._begin(group, state, param)
        if param._dtype.is_complex:
            return self._complex_change(group, state, param, grad)
        # Ascent is descent along -grad. States, as in torch, then hold -grad too.
        if group.get("maximize"):
            grad = -grad
        decay = group.get("weight_decay")
        decoupled = decay and self._decoupled(group)
        if decay and not decoupled:
            grad = grad + param * decay
        direction, rate = self._delta(group, state, param, grad)
        if decoupled:
            shrink = param * (decay * setting(group, "lr"))
            return direction * rate - shrink, 1
        return direction, rate

    def _complex_change(
        self, group: dict[str, Any], state: State, param: Tensor, grad: Any
    ) -> tuple[Tensor, Any]:
        """A complex number is two parameters."""
        numbers = self._numbers
        pairs = {k: v if k in numbers else tp.view_as_real(v) for k, v in state.items()}
        begun = bool(pairs)
        pairs.setdefault("", None)  # not empty: what is to be begun has been
        direction, rate = self._change(group, pairs, tp.view_as_real(param), tp.view_as_real(grad))
        for key in pairs:
            if key in numbers:
                state[key] = pairs[key]
            elif key and not begun:
                state[key] = tp.view_as_complex(pairs[key])
        return tp.view_as_complex(direction), rate

    # --- what subclasses define -----------------------------------------------------------------
    _fused_begins: ClassVar[bool] = True
    """Whether :meth:`_begin` makes all tensors that a fused step reads."""

    def _fused(self, group: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        """The name and the numbers of a step in :meth:`Backend.fused_steps`, if it is one."""
        return None

    def _begin(self, group: dict[str, Any], state: State, param: Tensor) -> None:
        """Fill in ``state`` at a parameter's first step."""

    @staticmethod
    def _begin_step(group: dict[str, Any], state: State, param: Tensor) -> None:
        """Count steps from 0: in a tensor where no value may be read on the host."""
        state["step"] = tp.zeros((), device=param.device) if group.get("capturable") else 0

    def _delta(
        self, group: dict[str, Any], state: State, param: Tensor, grad: Tensor
    ) -> tuple[Tensor, Any]:
        """Bring ``state`` up to date and return what is to be added to ``param``.

        It is given as a tensor and a factor, a Python number or a tensor. ``param`` may only be
        read where :meth:`_reads_params` says so; ``grad`` must not be changed. Where there is a
        bundled state, everything must be element by element, because small parameters are then
        updated together.
        """
        raise NotImplementedError(
            f"{type(self).__name__}: expected a _delta() or step() method, got none"
        )

    def _decoupled(self, group: dict[str, Any]) -> bool:
        """Whether weight decay shrinks the parameters instead of joining the gradients."""
        return bool(group.get("decoupled_weight_decay"))

    def _reads_params(self, group: dict[str, Any]) -> bool:
        """Whether a step looks at the parameters' values."""
        return bool(group.get("weight_decay"))

    def _bundled_state(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The names of the state's tensors; none where one by one is as fast."""
        return ()

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step, until the handle removes it.

        ``args`` begins with the optimizer. A hook may return other ``(args, kwargs)``.
        """
        return add_hook(self._before, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step, until the handle removes it."""
        return add_hook(self._after, hook)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for position, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {position}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])
