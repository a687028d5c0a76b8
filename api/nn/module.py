"""The base class of all layers and models."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from ._convert import ModuleMoves, wrap
from ._hooks import Hook, RemovableHandle, add_hook, call_with_hooks
from ._state import ModuleState
from ._tree import ModuleTree
from .parameter import Buffer, Parameter

__all__ = ["Module"]

_REGISTRIES = ("_parameters", "_buffers", "_modules")


class Module(ModuleTree, ModuleState, ModuleMoves):
    """A part of a model: parameters, buffers and smaller modules, and how to compute with them.

    A subclass calls ``super().__init__()``, assigns parameters and modules as attributes, and
    defines ``forward``; calling the module runs it.

    Example:
        >>> class Net(tp.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.hidden = tp.nn.Linear(2, 8)
        ...         self.out = tp.nn.Linear(8, 1)
        ...     def forward(self, x):
        ...         return self.out(self.hidden(x).relu())
        >>> Net()(tp.zeros(5, 2)).shape
        tensorplug.Size([5, 1])
    """

    training: bool
    call_super_init: bool = False
    """Whether arguments go on to the next class, for classes with several bases."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if (args or kwargs) and not self.call_super_init:
            raise TypeError(
                f"{type(self).__name__}.__init__: expected no arguments for Module, got "
                f"{', '.join([*map(repr, args), *(f'{k}={v!r}' for k, v in kwargs.items())])}"
            )
        # Straight into __dict__: __setattr__ below needs the registries to exist.
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _modules={},
            _non_persistent_buffers_set=set(),
            _forward_pre_hooks={},
            _forward_hooks={},
            _backward_pre_hooks={},
            _backward_hooks={},
            _state_dict_pre_hooks={},
            _state_dict_hooks={},
            _load_pre_hooks={},
            _load_post_hooks={},
        )
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the result; every subclass defines it."""
        raise NotImplementedError(
            f"{type(self).__name__}: expected a forward() method, got none; define it in the class"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run :meth:`forward` with the registered hooks around it."""
        if (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
        ):
            return call_with_hooks(self, args, kwargs)
        return self.forward(*args, **kwargs)

    # --- attributes -----------------------------------------------------------------------------
    def __getattr__(self, name: str) -> Any:
        # Reached only when normal look-up fails, which is so for everything that is registered:
        # every use of a weight comes by here, hence no loop.
        attributes = self.__dict__
        if "_modules" in attributes:
            found = attributes["_parameters"]
            if name in found:
                return found[name]
            found = attributes["_modules"]
            if name in found:
                return found[name]
            found = attributes["_buffers"]
            if name in found:
                return found[name]
        hint = "" if "_modules" in attributes else "; call super().__init__() first"
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._forget(name, "parameters", "_parameters")
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._forget(name, "modules", "_modules")
            self._modules[name] = value
        elif isinstance(value, Buffer):
            self._forget(name, "buffers", "_buffers")
            # Where there is a Buffer, its flag is there.
            self.register_buffer(name, value, value._extra["buffer"])  # type: ignore[index]
        else:
            attributes = self.__dict__
            for registry in _REGISTRIES:
                if name in attributes.get(registry, ()):
                    self._replace(registry, name, value)
                    return
            object.__setattr__(self, name, value)

    def _forget(self, name: str, kind: str, registry: str) -> None:
        """Drop other attributes of that name; the one in ``registry`` keeps its place."""
        attributes = self.__dict__
        if "_modules" not in attributes:
            raise AttributeError(
                f"{type(self).__name__}: expected super().__init__() before {kind} are assigned, "
                f"got an assignment of {name!r}"
            )
        attributes.pop(name, None)
        for other in _REGISTRIES:
            if other != registry:
                attributes[other].pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def _replace(self, registry: str, name: str, value: Any) -> None:
        wanted = {"_parameters": "Parameter", "_modules": "Module", "_buffers": "Tensor"}[registry]
        if value is not None and not (registry == "_buffers" and isinstance(value, Tensor)):
            raise TypeError(
                f"{type(self).__name__}.{name}: expected a {wanted} or None, "
                f"got {type(value).__name__}; del the attribute first to change its kind"
            )
        getattr(self, registry)[name] = value

    def __delattr__(self, name: str) -> None:
        for registry in _REGISTRIES:
            if name in self.__dict__.get(registry, ()):
                del self.__dict__[registry][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> Iterable[str]:
        registered = [name for registry in _REGISTRIES for name in self.__dict__.get(registry, ())]
        return sorted({*super().__dir__(), *(name for name in registered if name.isidentifier())})

    # --- registration ---------------------------------------------------------------------------
    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under ``name``; None keeps the name free of values (``bias=None``).

        Raises:
            TypeError, KeyError, ValueError: not a parameter, a bad or used name, or not a leaf.
        """
        self._check_name("parameter", name, "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"register_parameter: expected a Parameter or None for {name!r}, "
                f"got {type(param).__name__}; wrap it in tp.nn.Parameter(...)"
            )
        if param is not None and param.grad_fn is not None:
            raise ValueError(
                f"register_parameter: expected a leaf for {name!r}, got a computed tensor; "
                "use tp.nn.Parameter(x.detach()), and compute in forward()"
            )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is no parameter but moves with the module (running means, masks).

        Args:
            name: the attribute's name.
            tensor: any tensor, or None to reserve the name.
            persistent: whether it is part of :meth:`state_dict`.

        Raises:
            TypeError, KeyError: not a tensor, or a bad or used name.
        """
        self._check_name("buffer", name, "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"register_buffer: expected a Tensor or None for {name!r}, "
                f"got {type(tensor).__name__}"
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a module under ``name``, as assigning it does.

        Raises:
            TypeError, KeyError: not a module, or a bad or used name.
        """
        if module is not None and not isinstance(module, Module):
            raise TypeError(
                f"register_module: expected a Module or None for {name!r}, "
                f"got {type(module).__name__}"
            )
        self._check_name("module", name, "_modules")
        self._modules[name] = module

    add_module = register_module

    def _check_name(self, kind: str, name: str, registry: str) -> None:
        if "_modules" not in self.__dict__:
            raise AttributeError(
                f"register_{kind}: expected super().__init__() to be called first, got {name!r} "
                f"before it in {type(self).__name__}"
            )
        if not isinstance(name, str):
            raise TypeError(f"register_{kind}: expected a name, got {type(name).__name__}")
        if not name or "." in name:
            raise KeyError(f"register_{kind}: expected a name without dots, got {name!r}")
        if hasattr(self, name) and name not in self.__dict__[registry]:
            raise KeyError(
                f"register_{kind}: expected a free name, got {name!r}, "
                f"which {type(self).__name__} has already"
            )

    # --- modes, gradients -----------------------------------------------------------------------
    def train(self, mode: bool = True) -> Self:
        """Set training mode here and below: what dropout and batch norm look at."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: expected True or False, got {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set evaluation mode: the same as ``train(False)``."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set ``requires_grad`` of all parameters, for example to freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or fill them with zeros when ``set_to_none`` is False."""
        for parameter in self.parameters():
            if parameter.grad is None:
                continue
            if set_to_none:
                parameter.grad = None
            else:
                parameter.grad = tp.zeros_like(parameter.grad)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` with every module below and then this one, for example to initialise."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # --- hooks ----------------------------------------------------------------------------------
    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before ``forward``; what it returns replaces the arguments.

        With ``with_kwargs`` it is called with ``(module, args, kwargs)`` and returns both or None.
        """
        return add_hook(self._forward_pre_hooks, Hook(hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after ``forward``; a result replaces the output.

        With ``with_kwargs`` it is called with ``(module, args, kwargs, output)``; with
        ``always_call`` also when ``forward`` raises, with None for the output.
        """
        return add_hook(self._forward_hooks, Hook(hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the module's backward; it may replace it."""
        return add_hook(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` once the inputs' gradients are known.

        Both are tuples with None for what needs no gradient; only positional arguments count.
        What it returns, unless None, replaces ``grad_input``.
        """
        return add_hook(self._backward_hooks, hook, prepend)

    register_backward_hook = register_full_backward_hook

    # --- printing -------------------------------------------------------------------------------
    def extra_repr(self) -> str:
        """What ``repr`` shows between the parentheses; a layer lists its settings here."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        if not self._modules:
            return wrap(self._get_name(), lines, [])
        children = [
            f"({name}): " + repr(module).replace("\n", "\n  ")
            for name, module in self._modules.items()
        ]
        return wrap(self._get_name(), lines, children)
