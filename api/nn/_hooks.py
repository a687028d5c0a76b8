"""Callables that run around a module's ``forward``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tensorplug.autograd.node import RemovableHandle

from ._backward_hooks import BackwardWatch

__all__ = ["Hook", "RemovableHandle", "add_hook", "call_with_hooks"]


class Hook(NamedTuple):
    """A registered callable and how it wants to be called."""

    call: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False


def add_hook(hooks: dict[int, Any], hook: Any, prepend: bool = False) -> RemovableHandle:
    """Register ``hook``, first in line when ``prepend``, and return the handle that removes it."""
    handle = RemovableHandle(hooks, hook)
    if prepend:
        others = {key: value for key, value in hooks.items() if key != handle.id}
        for key in others:
            del hooks[key]
        hooks.update(others)
    return handle


def call_with_hooks(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``module(*args, **kwargs)`` when at least one hook is registered."""
    always = {key: hook for key, hook in module._forward_hooks.items() if hook.always_call}
    try:
        for hook in tuple(module._forward_pre_hooks.values()):
            args, kwargs = _call_before(module, hook, args, kwargs)
        watch = None
        if module._backward_hooks or module._backward_pre_hooks:
            watch = BackwardWatch(module)
            args = watch.inputs(args)
        result = module.forward(*args, **kwargs)
        for key, hook in tuple(module._forward_hooks.items()):
            always.pop(key, None)  # it has its turn now, whether it raises or not
            result = _call_after(module, hook, args, kwargs, result)
        if watch is not None:
            result = watch.outputs(result)
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
