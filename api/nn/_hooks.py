"""Callables that run around a module's ``forward``, and the handles that remove them."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Hook", "RemovableHandle", "add_hook", "call_with_hooks"]

_numbers = itertools.count()


class Hook(NamedTuple):
    """A registered callable and how it wants to be called."""

    call: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False


class RemovableHandle:
    """Takes a hook out again: call :meth:`remove`, or use it in a ``with`` statement."""

    __slots__ = ("_hooks", "id")

    def __init__(self, hooks: HookDict) -> None:
        self._hooks = weakref.ref(hooks)
        self.id = next(_numbers)

    def remove(self) -> None:
        """Remove the hook; a second call does nothing."""
        hooks = self._hooks()
        if hooks is not None:
            hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


class HookDict(dict[int, Any]):
    """A dict that handles can refer to without keeping its module alive."""

    __slots__ = ("__weakref__",)


def add_hook(hooks: HookDict, hook: Any, prepend: bool = False) -> RemovableHandle:
    """Register ``hook``, first in line when ``prepend``, and return its handle."""
    handle = RemovableHandle(hooks)
    if prepend:
        others = dict(hooks)
        hooks.clear()
        hooks[handle.id] = hook
        hooks.update(others)
    else:
        hooks[handle.id] = hook
    return handle


def call_with_hooks(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``module(*args, **kwargs)`` when at least one hook is registered."""
    always = {key: hook for key, hook in module._forward_hooks.items() if hook.always_call}
    try:
        for hook in tuple(module._forward_pre_hooks.values()):
            args, kwargs = _call_before(module, hook, args, kwargs)
        result = module.forward(*args, **kwargs)
        for key, hook in tuple(module._forward_hooks.items()):
            always.pop(key, None)  # it has its turn now, whether it raises or not
            result = _call_after(module, hook, args, kwargs, result)
    except Exception:
        for hook in always.values():
            _call_after(module, hook, args, kwargs, None)
        raise
    return result


def _call_before(
    module: Any, hook: Hook, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not hook.with_kwargs:
        changed = hook.call(module, args)
        if changed is None:
            return args, kwargs
        return (changed if isinstance(changed, tuple) else (changed,)), kwargs
    changed = hook.call(module, args, kwargs)
    if changed is None:
        return args, kwargs
    if not (isinstance(changed, tuple) and len(changed) == 2 and isinstance(changed[1], dict)):
        raise RuntimeError(
            f"{type(module).__name__}: expected its forward pre-hook (with_kwargs=True) to return "
            f"None or (args, kwargs), got {changed!r}"
        )
    return changed


def _call_after(
    module: Any, hook: Hook, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> Any:
    if hook.with_kwargs:
        changed = hook.call(module, args, kwargs, result)
    else:
        changed = hook.call(module, args, result)
    return result if changed is None else changed
