"""State dicts: taking a module's parameters and buffers out by name, and putting them back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from ._hooks import RemovableHandle, add_hook
from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module

__all__ = ["LoadResult", "ModuleState"]

EXTRA = "_extra_state"
"""The key of what :meth:`ModuleState.get_extra_state` returns."""


class LoadResult(NamedTuple):
    """The names that did not match; both lists are empty when all did."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return tuple.__repr__(self)


class StateDict(OrderedDict[str, Any]):
    """A dict of tensors by dotted name; ``_metadata`` holds each module's format version."""

    _metadata: dict[str, dict[str, Any]]

    def __reduce__(self) -> Any:
        return (_restore_state_dict, (list(self.items()), getattr(self, "_metadata", {})))

    def copy(self) -> StateDict:
        """A shallow copy that keeps the metadata."""
        return _restore_state_dict(list(self.items()), getattr(self, "_metadata", {}))


def _restore_state_dict(items: list[tuple[str, Any]], metadata: dict[str, Any]) -> StateDict:
    state = StateDict(items)
    state._metadata = metadata
    return state


class ModuleState:
    """The saving and loading half of :class:`Module`."""

    _version: int = 1
    """Raise it in a subclass whose saved form changes; loaders see it in ``local_metadata``."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]
    _state_dict_pre_hooks: dict[int, Any]
    _state_dict_hooks: dict[int, Any]
    _load_pre_hooks: dict[int, Any]
    _load_post_hooks: dict[int, Any]

    # --- out --------------------------------------------------------------------------------------
    def get_extra_state(self) -> Any:
        """Override, with :meth:`set_extra_state`, to save more than tensors."""
        raise NotImplementedError(
            f"{type(self).__name__}.get_extra_state: expected an override, got none"
        )

    def set_extra_state(self, state: Any) -> None:
        """Override to take back what :meth:`get_extra_state` returned."""
        raise NotImplementedError(
            f"{type(self).__name__}.set_extra_state: expected an override, got none"
        )

    def state_dict(
        self,
        *args: Any,
        destination: dict[str, Any] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> dict[str, Any]:
        """All parameters and persistent buffers by dotted name, sharing the module's memory.

        Args:
            destination: a dict to fill instead of a new one.
            prefix: put before every name.
            keep_vars: return the parameters themselves, not detached tensors.
            *args: the three by position, in that order.

        Example:
            >>> list(tp.nn.Linear(3, 4).state_dict())
            ['weight', 'bias']
        """
        given: list[Any] = [*args, *(destination, prefix, keep_vars)[len(args) :]]
        destination, prefix, keep_vars = given
        for hook in tuple(self._state_dict_pre_hooks.values()):
            hook(self, prefix, keep_vars)
        if destination is None:
            destination = StateDict()
            destination._metadata = {}
        metadata = getattr(destination, "_metadata", None)
        local = {"version": self._version}
        if metadata is not None:
            metadata[prefix[:-1]] = local
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook, replaces in tuple(self._state_dict_hooks.values()):
            changed = hook(self, destination, prefix, local)
            destination = changed if replaces and changed is not None else destination
        return destination

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        """Put this module's own tensors, not those below, into ``destination``."""
        for name, value in self._own_state().items():
            if value is not None:
                destination[prefix + name] = value if keep_vars else value.detach()
        if type(self).get_extra_state is not ModuleState.get_extra_state:
            destination[prefix + EXTRA] = self.get_extra_state()

    def _own_state(self) -> dict[str, Tensor | None]:
        state: dict[str, Tensor | None] = dict(self._parameters)
        for name, buffer in self._buffers.items():
            if name not in self._non_persistent_buffers_set:
                state[name] = buffer
        return state

    # --- in ---------------------------------------------------------------------------------------
    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> LoadResult:
        """Copy tensors into the parameters and buffers of the same dotted names.

        Args:
            state_dict: what :meth:`state_dict` of such a module returned, or a loaded file; its
                values may be arrays of other libraries.
            strict: refuse missing and unexpected names. Shapes must match in any case.
            assign: put the given tensors in place of the parameters instead of copying, keeping
                their dtype and device.

        Returns:
            ``missing_keys`` and ``unexpected_keys``, two lists of names.

        Raises:
            RuntimeError: names or shapes do not match; one error lists all of them.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"load_state_dict: expected a dict of tensors, got {type(state_dict).__name__}"
            )
        metadata = getattr(state_dict, "_metadata", {})
        loader = _Loader(dict(state_dict), strict, assign, metadata)
        loader.load(self, "")
        for module in loader.visited:
            for hook in tuple(module._load_post_hooks.values()):
                hook(module, LoadResult(loader.missing, loader.unexpected))
        loader.check(type(self).__name__)
        return LoadResult(loader.missing, loader.unexpected)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Take this module's own tensors, not those below, from ``state_dict``.

        Override to read an older format; what does not fit is added to the three lists.
        """
        for hook, with_module in tuple(self._load_pre_hooks.values()):
            hook(
                *((self,) if with_module else ()), state_dict, prefix, local_metadata, strict,
                missing_keys, unexpected_keys, error_msgs,
            )  # fmt: skip
        assign = local_metadata.get("assign_to_params_buffers", False)
        for name, own in self._own_state().items():
            key = prefix + name
            if own is None:
                continue
            if key not in state_dict:
                missing_keys.append(key)
                continue
            value = _tensor(state_dict[key])
            problem = _mismatch(key, own, value)
            if problem:
                error_msgs.append(problem)
            elif assign:
                self._assign(name, own, value)
            else:
                with tp.no_grad():
                    own.copy_(value)
        self._load_extra(state_dict, prefix + EXTRA, missing_keys)

    def _assign(self, name: str, own: Tensor, value: Tensor) -> None:
        if isinstance(own, Parameter):
            value = Parameter(value, requires_grad=own.requires_grad)
        setattr(self, name, value)

    def _load_extra(self, state_dict: dict[str, Any], key: str, missing: list[str]) -> None:
        if type(self).set_extra_state is ModuleState.set_extra_state:
            return
        if key in state_dict:
            self.set_extra_state(state_dict[key])
        else:
            missing.append(key)

    # --- hooks ------------------------------------------------------------------------------------
    def register_state_dict_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before :meth:`state_dict`."""
        return add_hook(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after :meth:`state_dict`."""
        return add_hook(self._state_dict_hooks, (hook, False))

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """The same, but a dict that ``hook`` returns takes the place of the other."""
        return add_hook(self._state_dict_hooks, (hook, True))

    def register_load_state_dict_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook`` with :meth:`_load_from_state_dict`'s arguments before it, self first."""
        return add_hook(self._load_pre_hooks, (hook, True))

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., None], with_module: bool = False
    ) -> RemovableHandle:
        """The same, without the module unless ``with_module``."""
        return add_hook(self._load_pre_hooks, (hook, with_module))

    def register_load_state_dict_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after loading; it may edit the two lists."""
        return add_hook(self._load_post_hooks, hook)


def _tensor(value: Any) -> Any:
    """Arrays of other libraries, such as PyTorch's tensors, as tensors."""
    foreign = not isinstance(value, Tensor) and hasattr(value, "__dlpack__")
    return tp.asarray(value) if foreign else value


def _mismatch(key: str, own: Tensor, value: Any) -> str | None:
    if not isinstance(value, Tensor):
        return f"{key}: expected a Tensor, got {type(value).__name__}"
    if tuple(own.shape) != tuple(value.shape):
        return f"{key}: expected shape {tuple(own.shape)}, got {tuple(value.shape)}"
    return None


class _Loader:
    """One call of :meth:`ModuleState.load_state_dict`, collecting what does not fit."""

    def __init__(
        self, state: dict[str, Any], strict: bool, assign: bool, metadata: dict[str, Any]
    ) -> None:
        self.state = state
        self.strict = strict
        self.assign = assign
        self.metadata = metadata
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.errors: list[str] = []
        self.visited: list[Any] = []

    def load(self, module: Any, prefix: str) -> None:
        """Load ``module`` and all below it."""
        local = dict(self.metadata.get(prefix[:-1], {}))
        local["assign_to_params_buffers"] = self.assign
        module._load_from_state_dict(
            self.state, prefix, local, self.strict, self.missing, self.unexpected, self.errors
        )
        for name, child in module._modules.items():
            if child is not None:
                self.load(child, f"{prefix}{name}.")
        self._find_unexpected(module, prefix)
        self.visited.append(module)

    def _find_unexpected(self, module: Any, prefix: str) -> None:
        extra = type(module).set_extra_state is not ModuleState.set_extra_state
        own = set(module._own_state()) | ({EXTRA} if extra else set())
        for key in self.state:
            if not key.startswith(prefix):
                continue
            name, dot, _ = key[len(prefix) :].partition(".")
            known = module._modules.get(name) is not None if dot else name in own
            if not known and key not in self.unexpected:
                self.unexpected.append(key)

    def check(self, name: str) -> None:
        """Raise one error with everything that does not fit."""
        problems = list(self.errors)
        if self.strict and self.missing:
            problems.append(f"missing keys: {', '.join(map(repr, self.missing))}")
        if self.strict and self.unexpected:
            problems.append(f"unexpected keys: {', '.join(map(repr, self.unexpected))}")
        if problems:
            listed = "".join(f"\n    {problem}" for problem in problems)
            raise RuntimeError(
                f"load_state_dict: expected the state of this {name}, got a different one:{listed}"
            )
