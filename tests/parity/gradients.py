"""First and second order gradients of the subject against torch's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from . import database as db
from .calls import Call, answer, raised
from .compare import compare, describe, to_torch_tree
from .convert import Converter, leaves, rebind, torch_numpy
from .differences import Finding
from .subject import Subject

__all__ = ["gradient_findings"]

Function = Callable[..., Any]


def gradient_findings(
    entry: Any, subject: Subject, function: Function, cap: int | None, second: int | None
) -> Iterator[Finding | None]:
    """Compare gradients of all differentiable inputs, at random cotangents, in float64.

    Args:
        cap: samples compared at first order; complex128 gets half of them.
        second: samples compared at second order.
    """
    if not entry.supports_autograd:
        return
    for dtype, count in ((torch.float64, cap), (torch.complex128, cap and cap // 2)):
        if dtype not in entry.supported_backward_dtypes("cpu"):
            continue
        found = _found(entry, dtype, count)
        twice = {id(sample) for sample in db.spread(found, second)}
        for sample in found:
            call = Call(entry, str(dtype).removeprefix("torch."), sample)
            again = entry.supports_gradgrad and id(sample) in twice
            yield from _compare_gradients(call, subject, function, again)


def _found(entry: Any, dtype: torch.dtype, count: int | None) -> list[Any]:
    """Samples with something to differentiate by."""
    wanted = [s for s in db.samples(entry, dtype, True, None) if _inputs(Call(entry, "", s))]
    return db.spread(wanted, count)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)


def _inputs(call: Call) -> list[torch.Tensor]:
    """The tensors to differentiate by, each once."""
    found = {id(t): t for t in leaves(call.arguments, _is_tensor) if t.requires_grad}
    return list(found.values())


def _outputs(call: Call, function: Function, arguments: Any, convert: Any) -> Any:
    """The sample's outputs made fit for differentiation, as the database prescribes."""
    value, args, kwargs = arguments
    wrapped = convert(call.entry.gradcheck_wrapper)(function, value, *args, **kwargs)
    return convert(call.sample.output_process_fn_grad)(wrapped)


def _cotangents(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.randn(t.shape, dtype=t.dtype) for t in tensors]


@dataclass
class _Graph:
    """Outputs and inputs of both sides; each step replaces the outputs by their gradients."""

    subject: Subject
    theirs: list[Any]
    ours: list[Any]
    inputs: list[torch.Tensor]
    my_inputs: list[Any]

    def differentiable(self) -> bool:
        """Keep the outputs that torch can differentiate; False when there are none."""
        pairs = zip(self.theirs, self.ours, strict=True)
        keep = [(a, b) for a, b in pairs if a is not None and a.requires_grad]
        self.theirs, self.ours = [a for a, _ in keep], [b for _, b in keep]
        return bool(keep)

    def differentiate(self, create_graph: bool) -> tuple[str, str] | None:
        """One order on both sides: None where they agree, else what was expected and got."""
        seeds = _cotangents(self.theirs)
        keywords = {"allow_unused": True, "create_graph": create_graph}
        gradients, refused = answer(
            lambda: torch.autograd.grad(self.theirs, self.inputs, seeds, **keywords)
        )
        if refused is not None:  # torch has no such derivative
            self.theirs, self.ours = [], []
            return None
        grad = self.subject.module.autograd.grad
        my_seeds = [self.subject.tensor(torch_numpy(seed)) for seed in seeds]
        # An output that does not depend on the inputs at all has zero gradients.
        pairs = [
            (x, s)
            for x, s in zip(self.ours, my_seeds, strict=True)
            if x is not None and x.requires_grad
        ]
        outputs, my_seeds = [x for x, _ in pairs], [s for _, s in pairs]
        if not outputs:
            self.theirs, self.ours = list(gradients), [None] * len(self.my_inputs)
            return _compare_leaves(self.ours, self.theirs, self.subject)
        mine, error = answer(lambda: grad(outputs, self.my_inputs, my_seeds, **keywords))
        if error is not None:
            return describe(gradients), raised(error)
        self.theirs, self.ours = list(gradients), list(mine)
        return _compare_leaves(mine, self.theirs, self.subject)


def _graph(call: Call, subject: Subject, function: Function) -> _Graph | tuple[str, str] | None:
    """Run the sample on both sides; None where torch itself refuses it."""
    convert = Converter(subject)
    mine, error = answer(lambda: convert.call(call.arguments))
    if error is not None:
        return "these arguments to exist", raised(error)
    inputs = _inputs(call)
    theirs, refused = answer(lambda: _outputs(call, call.entry.op, call.arguments, lambda f: f))
    if refused is not None:
        return None
    ours, error = answer(lambda: _outputs(call, function, mine, lambda f: rebind(f, subject)))
    if error is not None:
        return describe(theirs), raised(error)
    outputs, my_outputs = leaves(theirs, _is_tensor), leaves(ours, subject.is_tensor)
    if len(outputs) != len(my_outputs):
        return describe(theirs), f"{len(my_outputs)} tensors"
    return _Graph(subject, outputs, my_outputs, inputs, [convert(tensor) for tensor in inputs])


def _compare_gradients(
    call: Call, subject: Subject, function: Function, second: bool
) -> Iterator[Finding | None]:
    graph = _graph(call, subject, function)
    if isinstance(graph, tuple):
        yield call.finding("gradient", *graph)
        return
    for order in ("gradient", "second gradient") if second else ("gradient",):
        if graph is None or not graph.differentiable():
            return
        found = graph.differentiate(create_graph=second and order == "gradient")
        yield call.finding(order, *found) if found else None
        if found is not None:
            return


def _compare_leaves(got: Any, expected: list[Any], subject: Subject) -> tuple[str, str] | None:
    """Gradients pairwise; None and zeros say the same."""
    for index, (mine, theirs) in enumerate(zip(got, expected, strict=True)):
        if mine is None and theirs is None:
            continue
        if mine is None or theirs is None:
            present = to_torch_tree(mine, subject) if theirs is None else theirs
            if bool((present.detach() == 0).all()):
                continue
            return f"gradient {index}: {describe(theirs)}", describe(mine)
        plain, error = answer(lambda m=mine: to_torch_tree(m, subject))
        found = ("a tensor", raised(error)) if error else compare(plain, theirs)
        if found is not None:
            return f"gradient {index}: {found[0]}", found[1]
    return None
