"""Every operation is declared once, as a row or as a registered function.

:func:`op` declares a *row*: a primitive with a kernel and, where it has one, a derivative rule
for each input. :func:`function` registers a *composition*: plain Python over tensors. The public
functions, methods, in-place variants, stubs, documentation and conformance cases all derive from
these two; there is no other list of operations.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import Any

from .list_node import ListNode
from .node import Node, Plan, parameters

__all__ = ["FUNCTIONS", "ROWS", "Public", "Row", "function", "op"]

ROWS: dict[str, Row] = {}
"""Rows by kernel name."""

FUNCTIONS: dict[str, Public] = {}
"""What users can call, by qualified name: ``"add"``, ``"nn.functional.relu"``."""


class Row:
    """One primitive operation; see :func:`op` for the meaning of the fields."""

    __slots__ = (
        "aliases", "attrs", "call", "dtype", "dtypes", "family", "generic", "holomorphic", "inputs",
        "kernels", "name", "needs", "node_type", "outputs", "plans", "record_view", "rules",
        "variadic", "view", "where", "xp",
    )  # fmt: skip

    def __init__(self, name: str, family: Any, **fields: Any) -> None:
        self.name = name
        self.family = family
        self.inputs: tuple[str, ...] = fields["inputs"]
        self.attrs: tuple[str, ...] = fields["attrs"]
        self.outputs: tuple[str, ...] = fields["outputs"]
        self.variadic = any(name.startswith("*") for name in self.inputs)
        self.dtype = fields["dtype"]
        self.generic: Callable[..., Any] | None = fields["generic"]
        self.xp: str | None = fields["xp"]
        self.view: bool = family.view
        self.aliases: tuple[str, ...] = tuple(fields["aliases"])
        self.where: str = fields["where"]
        self.holomorphic: bool = fields["holomorphic"]
        self.needs: str = fields["needs"]
        self.rules = _check_rules(self, fields["grad"])
        self.plans: dict[int, Plan] = {}
        base = ListNode if self.variadic else Node
        self.node_type: Any = type(
            f"{fields['node']}Backward0", (base,), {"__slots__": (), "row": self}
        )
        self.record_view: Any = None
        # Set by the family: the core function, kernels by device, result types by operand type.
        self.call: Callable[..., Any]
        self.kernels: dict[Any, Callable[..., Any]]
        self.dtypes: dict[Any, Any]

    def plan(self, mask: int) -> Plan:
        """How to save and to differentiate when the inputs in the bit mask need gradients."""
        try:
            return self.plans[mask]
        except KeyError:
            return self.plans.setdefault(mask, Plan(self, mask))

    def __repr__(self) -> str:
        return f"<op {self.name} ({', '.join(self.inputs + self.attrs)}) at {self.where}>"


def _check_rules(row: Row, grad: Any) -> dict[tuple[str, ...], Any]:
    """Normalise ``grad=`` to rules by tuple of input names, and refuse wrong names at import."""
    names = tuple(name.lstrip("*") for name in row.inputs)
    taken = [name for name in (*names, *row.attrs) if name in (*row.outputs, "out")]
    if taken:
        raise ValueError(
            f"op {row.name!r}: inputs or attributes named {taken}, which in rules are outputs; "
            "choose other names"
        )
    if grad is None:
        return {}
    if callable(grad):
        grad = {names: grad} if row.variadic or len(names) > 1 else {names[0]: grad}
    rules = {(key if isinstance(key, tuple) else (key,)): rule for key, rule in grad.items()}
    wrong = [name for key in rules for name in key if name not in names]
    if wrong:
        raise ValueError(f"op {row.name!r}: grad given for {wrong}, but inputs are {list(names)}")
    known = {*names, *row.attrs, *row.outputs, "out", "needs"}
    known |= {f"{name}_{what}" for name in names for what in ("shape", "dtype")}
    for rule in rules.values():
        asked = parameters(rule)
        unknown = [name for name in asked if name not in known]
        if unknown:
            raise ValueError(
                f"op {row.name!r}: a rule asks for {unknown}, but there are {sorted(known)}"
            )
    return rules


class Public:
    """A public function: what it is called, where it appears and how it is tested.

    ``qualname`` is the name below ``tensorplug`` (``"linalg.svd"``), ``call`` the function,
    ``row`` its row if it is a primitive, ``method`` whether ``Tensor`` has it too, ``inplace``
    whether ``Tensor.name_`` exists, ``samples`` a function from a sample maker to a list of
    argument tuples (None: from the row's family), ``ref`` a reference: a NumPy or SciPy function
    name, or a function of NumPy arrays. ``wrap(call, ...)``, where results or derivatives are not
    determined (signs of eigenvectors), calls ``call`` and gives what is; derivatives are tested
    of ``tested``, which is the function so wrapped.
    """

    __slots__ = (
        "aliases", "call", "domain", "dtypes", "inplace", "method", "namespace", "qualname",
        "random", "ref", "row", "samples", "tested",
    )  # fmt: skip

    def __init__(self, name: str, call: Callable[..., Any], **fields: Any) -> None:
        self.namespace: str = fields.get("namespace", "")
        self.qualname = f"{self.namespace}.{name}" if self.namespace else name
        self.call = call
        self.row: Row | None = fields.get("row")
        self.aliases: tuple[str, ...] = tuple(fields.get("aliases", ()))
        self.method: bool = fields.get("method", True)
        self.inplace: bool = fields.get("inplace", False)
        self.samples: Callable[[Any], list[Any]] | None = fields.get("samples")
        self.ref: Any = fields.get("ref")
        self.domain: tuple[float, float] | None = fields.get("domain")
        self.dtypes: str | None = fields.get("dtypes")
        self.random: bool = fields.get("random", False)
        wrap = fields.get("wrap")
        self.tested: Callable[..., Any] = call if wrap is None else partial(wrap, call)

    @property
    def name(self) -> str:
        """The last part of the qualified name."""
        return self.qualname.rpartition(".")[2]

    def __repr__(self) -> str:
        return f"<tensorplug function {self.qualname}>"


_PUBLIC_FIELDS = (
    "namespace", "method", "inplace", "samples", "ref", "domain", "dtypes", "random", "wrap",
)  # fmt: skip


def op(
    name: str,
    family: Any,
    *,
    grad: Any = None,
    dtype: Any = None,
    xp: str | None = "",
    generic: Callable[..., Any] | None = None,
    aliases: Sequence[str] = (),
    inputs: tuple[str, ...] | None = None,
    attrs: tuple[str, ...] | None = None,
    outputs: tuple[str, ...] = ("out",),
    node: str | None = None,
    public: bool = True,
    call: Callable[..., Any] | None = None,
    holomorphic: bool = False,
    needs: str = "",
    **fields: Any,
) -> Row:
    """Declare a primitive operation.

    Args:
        name: torch's spelling, and the kernel's name.
        family: one of :mod:`tensorplug.autograd.families`: parameters, call path, samples.
        grad: ``{input: rule}``, ``{(input, ...): rule giving a tuple}``, or for one-input rows
            just the rule. A rule is called as ``rule(F, g, ...)``; its further parameter names
            say what is saved: inputs, ``out`` (or an output's name), ``<input>_shape``,
            ``<input>_dtype``, attributes. With several outputs ``g`` is a tuple.
        dtype: one of the kinds in :mod:`tensorplug.autograd.kinds` (default: the family's).
        xp: the array API's name, also the default kernel; None when it has no such function.
        generic: ``generic(F, *inputs, *attrs)``, the composition used where no kernel exists.
        aliases: further torch spellings.
        inputs, attrs: parameter names, where the family does not fix them; ``"*tensors"``
            stands for a list.
        outputs: names of the outputs.
        node: name of the graph node without ``Backward0`` (default: from ``name``).
        public: whether users can call it; internal rows serve derivatives and compositions.
        holomorphic: the rules are rational in the saved values and written as for real numbers:
            complex saved values reach them conjugated, which makes torch's gradient of them.
        needs: the capability that a device must declare for it, such as ``"linalg"``.
        call: the tensor-level function, where the family's own does not fit.
        **fields: ``namespace``, ``method``, ``inplace``, ``samples``, ``ref``, ``domain``,
            ``dtypes`` as in :class:`Public`.

    Raises:
        ValueError: the name is taken, a rule names something that does not exist, or an input
            or attribute has the name of an output.
    """
    _check_new(name, fields)
    row = Row(
        name, family, holomorphic=holomorphic, needs=needs,
        inputs=inputs or family.inputs,
        attrs=family.attrs if attrs is None else attrs,
        outputs=outputs,
        dtype=dtype or family.dtype,
        generic=generic,
        xp=name if xp == "" else xp,
        grad=grad,
        aliases=aliases,
        node=node or "".join(part.capitalize() for part in name.split("_")),
        where=_line(sys._getframe(1)),
    )  # fmt: skip
    family.build(row)
    row.call = call or row.call
    ROWS[name] = row
    if public:
        _publish(row, fields)
    return row


def _publish(row: Row, fields: dict[str, Any]) -> None:
    fields.setdefault("inplace", row.family.inplace)
    shown = Public(row.name, row.family.public(row), row=row, aliases=row.aliases, **fields)
    FUNCTIONS[shown.qualname] = shown


def _line(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"


def _check_new(name: str, fields: dict[str, Any]) -> None:
    if name in ROWS:
        raise ValueError(f"op {name!r} is declared twice: {ROWS[name].where}")
    _check_fields(f"op {name!r}", fields)


def _check_fields(what: str, fields: dict[str, Any]) -> None:
    unknown = sorted(set(fields) - set(_PUBLIC_FIELDS))
    if unknown:
        raise ValueError(f"{what}: unknown fields {unknown}; known: {_PUBLIC_FIELDS}")


def function(
    *,
    name: str | None = None,
    row: Row | str | None = None,
    aliases: Sequence[str] = (),
    **fields: Any,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a public function written in Python over tensors.

    Args:
        name: the public name (default: the function's own).
        row: the row behind it, where the function only arranges a primitive's arguments; it
            then replaces the row's own public function.
        aliases: further torch spellings.
        **fields: as in :class:`Public`.

    Example:
        >>> @function(method=True, samples=lambda t: [(t(3),), (t(2, 3),)])
        ... def cube(input):
        ...     return input * input * input
    """
    _check_fields(f"function {name!r}", fields)

    def register(call: Callable[..., Any]) -> Callable[..., Any]:
        own = name or call.__name__.rstrip("_")
        behind = ROWS[row] if isinstance(row, str) else row
        entry = Public(own, call, row=behind, aliases=aliases, **fields)
        taken = FUNCTIONS.get(entry.qualname)
        if taken is not None and taken.row is not behind:
            raise ValueError(f"function {entry.qualname!r} is registered twice")
        FUNCTIONS[entry.qualname] = entry
        return call

    return register
