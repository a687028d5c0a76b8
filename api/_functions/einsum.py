"""Einstein summation: labels of dimensions, a contraction order, and products of pairs."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any

from ..autograd.errors import OpError, OpTypeError
from ..autograd.ops.products import MATMUL
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from .products import factors

__all__ = ["einsum"]

Label = Hashable
Term = list[Label]


def _error(text: str) -> OpError:
    return OpError(f"einsum: {text}", op="einsum")


# --- reading the equation ------------------------------------------------------------------------


def _letters(term: str) -> Term:
    """``"ab...c"`` as labels; letters become their place in the alphabet of sublists."""
    found: Term = []
    rest = term.replace(" ", "")
    while rest:
        if rest.startswith("..."):
            found.append(Ellipsis)
            rest = rest[3:]
        elif rest[0].isascii() and rest[0].isalpha():
            found.append(rest[0])
            rest = rest[1:]
        else:
            raise _error(
                f"expected letters and '...', got {rest[0]!r} in {term!r}; invalid subscript: "
                "subscripts must be in [a-zA-Z]"
            )
    return found


def _from_equation(equation: str, count: int) -> tuple[list[Term], Term | None]:
    inputs, arrow, output = equation.partition("->")
    terms = [_letters(term) for term in inputs.split(",")]
    if len(terms) != count:
        rule = "fewer" if count < len(terms) else "more"
        raise _error(
            f"expected {len(terms)} operands for {equation!r}, got {count}; {rule} operands were "
            "provided than specified in the equation"
        )
    return terms, _letters(output) if arrow else None


def _from_sublists(sublists: tuple[Any, ...], count: int) -> tuple[list[Term], Term | None]:
    """The labels of ``einsum(x, [0, 1], y, [1, 2], [0, 2])``."""

    def term(items: Sequence[Any]) -> Term:
        found: Term = []
        for item in items:
            if item is Ellipsis:
                found.append(item)
            elif isinstance(item, int) and 0 <= item < 52:
                found.append(chr(item + (65 if item < 26 else 71)))
            else:
                raise _error(f"expected sublists of ... and ints in [0, 52), got {item!r}")
        return found

    terms = [term(items) for items in sublists]
    return terms[:count], terms[count] if len(terms) > count else None


def _read(request: Any, count: int) -> tuple[list[Term], Term | None]:
    if isinstance(request, str):
        return _from_equation(request, count)
    return _from_sublists(request, count)


def _spread(terms: list[Term], shapes: Any) -> int:
    """Replace each ellipsis by labels counted from the right; the most that one stands for."""
    most = 0
    for position, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        rank, named = len(shape), len(term) - term.count(Ellipsis)
        dots = term.count(Ellipsis)
        if dots > 1:
            raise _error(f"expected one '...' per operand, got {dots} for operand {position}")
        if named > rank or (not dots and named != rank):
            raise _error(
                f"expected as many subscripts as dimensions, got {named} for operand {position} of "
                f"shape {shape}; the number of subscripts in the equation does not "
                "match the number of dimensions"
            )
        if dots:
            at, width = term.index(Ellipsis), rank - named
            term[at : at + 1] = [("...", width - i) for i in range(width)]
            most = max(most, width)
    return most


def _output(output: Term | None, terms: list[Term], dots: int) -> Term:
    """The output's labels: as given, or the dots and then the labels that appear once."""
    whole: Term = [("...", dots - i) for i in range(dots)]
    everything = [label for term in terms for label in term]
    if output is None:
        single = [x for x in everything if isinstance(x, str) and everything.count(x) == 1]
        return [*whole, *sorted(single)]
    if output.count(Ellipsis) > 1:
        raise _error("expected at most one '...' in the output, got several")
    if Ellipsis in output:
        at = output.index(Ellipsis)
        output[at : at + 1] = whole
    for label in output:
        if output.count(label) > 1:
            raise _error(f"expected each output label once, got {label!r} more than once")
        if label not in everything:
            raise _error(
                f"expected output labels that some operand has, got {label!r}, which does not "
                "appear in the equation for any input operand"
            )
    return output


def _check_sizes(terms: list[Term], shapes: Any) -> None:
    sizes: dict[Label, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        own: dict[Label, int] = {}
        for label, size in zip(term, shape, strict=True):
            if own.setdefault(label, size) != size:
                raise _error(
                    f"expected one size for the repeated subscript {label!r}, got {own[label]} and "
                    f"{size} in shape {shape}"
                )
            if sizes.get(label, 1) == 1:
                sizes[label] = size
            elif size not in (1, sizes[label]):
                raise _error(
                    f"expected one size for subscript {label!r}, got {sizes[label]} and {size}; "
                    "operands do not broadcast"
                )


# --- planning ------------------------------------------------------------------------------------
# What to do depends on labels and shapes alone, so that it is found once for each equation.

_sum = ROWS["sum"].call
_STEPS = {
    "permute": ROWS["permute"].call, "reshape": ROWS["reshape"].call,
    "diagonal": ROWS["diagonal"].call, "sum": lambda x, dims: _sum(x, dims, False),
    "matmul": MATMUL.call, "mul": ROWS["mul"].call,
}  # fmt: skip


class _Part:
    """An operand to come: its place, its labels and its shape."""

    __slots__ = ("at", "shape", "term")

    def __init__(self, at: int, term: Term, shape: tuple[int, ...]) -> None:
        self.at, self.term, self.shape = at, term, shape

    def size(self, label: Label) -> int:
        """The size of the dimension with a label."""
        return self.shape[self.term.index(label)]


class _Plan:
    """A list of steps ``(name, place, argument)`` that overwrite operands with results."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, Any]] = []

    def add(self, name: str, x: _Part, argument: Any, term: Term, shape: Any) -> _Part:
        """Record a step, and describe its result."""
        self.steps.append((name, x.at, argument))
        return _Part(x.at, term, tuple(shape))

    def without_repeats(self, x: _Part) -> _Part:
        """Diagonals for labels that stand twice."""
        for label in dict.fromkeys(x.term):
            while x.term.count(label) > 1:
                first = x.term.index(label)
                second = x.term.index(label, first + 1)
                kept = [i for i in range(len(x.term)) if i not in (first, second)]
                term = [*(x.term[i] for i in kept), label]
                shape = [*(x.shape[i] for i in kept), x.shape[first]]
                x = self.add("diagonal", x, (0, first, second), term, shape)
        return x

    def drop(self, x: _Part, keep: set[Label]) -> _Part:
        """Sum over the labels that nobody else needs."""
        lost = tuple(i for i, label in enumerate(x.term) if label not in keep)
        if not lost:
            return x
        kept = [i for i in range(len(x.term)) if i not in lost]
        term = [x.term[i] for i in kept]
        return self.add("sum", x, lost, term, [x.shape[i] for i in kept])

    def squeeze(self, x: _Part, y: _Part) -> _Part:
        """Leave out dimensions of size 1 that the other operand has at another size."""
        wide = {label for label, size in zip(y.term, y.shape, strict=True) if size != 1}
        kept = [i for i, size in enumerate(x.shape) if size != 1 or x.term[i] not in wide]
        if len(kept) == len(x.term):
            return x
        shape = tuple(x.shape[i] for i in kept)
        return self.add("reshape", x, shape, [x.term[i] for i in kept], shape)

    def arrange(self, x: _Part, term: Term) -> _Part:
        """Dimensions in the order of ``term``."""
        if term == x.term:
            return x
        order = tuple(x.term.index(label) for label in term)
        return self.add("permute", x, order, term, [x.shape[i] for i in order])

    def reshape(self, x: _Part, shape: tuple[int, ...]) -> None:
        """Another shape, whose dimensions have no labels."""
        if shape != x.shape:
            self.steps.append(("reshape", x.at, shape))

    def pair(self, x: _Part, y: _Part, keep: set[Label]) -> _Part:
        """The product of two operands, summed over the labels that are not to be kept."""
        x, y = self.squeeze(x, y), self.squeeze(y, x)
        x = self.drop(x, keep | set(y.term))
        y = self.drop(y, keep | set(x.term))
        both = [label for label in x.term if label in y.term]
        batch = [label for label in both if label in keep]
        inner = [label for label in both if label not in keep]
        rows = [label for label in x.term if label not in both]
        columns = [label for label in y.term if label not in both]
        many, k = tuple(map(x.size, batch)), math.prod(map(x.size, inner))
        m, n = tuple(map(x.size, rows)), tuple(map(y.size, columns))
        x = self.arrange(x, [*batch, *rows, *inner])
        if inner:
            y = self.arrange(y, [*batch, *inner, *columns])
            self.reshape(x, (*many, math.prod(m), k))
            self.reshape(y, (*many, k, math.prod(n)))
            self.steps.append(("matmul", x.at, y.at))
            self.reshape(_Part(x.at, [], (*many, math.prod(m), math.prod(n))), (*many, *m, *n))
        else:  # nothing to sum: an elementwise product, broadcast
            y = self.arrange(y, [*batch, *columns])
            self.reshape(x, (*many, *m, *(1,) * len(n)))
            self.reshape(y, (*many, *(1,) * len(m), *n))
            self.steps.append(("mul", x.at, y.at))
        return _Part(x.at, [*batch, *rows, *columns], (*many, *m, *n))


def _order(parts: list[_Part], output: Term) -> list[tuple[int, ...]]:
    """Which operands to multiply in which order, by opt_einsum."""
    if len(parts) <= 2:
        return [tuple(range(len(parts)))]
    import opt_einsum  # only contractions of three and more pay for loading it

    names: dict[Label, str] = {}
    for part in parts:
        for label in part.term:
            names.setdefault(label, opt_einsum.get_symbol(len(names)))
    equation = ",".join("".join(names[label] for label in part.term) for part in parts)
    equation += "->" + "".join(names[label] for label in output)
    path, _ = opt_einsum.contract_path(equation, *(part.shape for part in parts), shapes=True)
    return list(path)


@lru_cache(maxsize=512)
def _planned(
    request: Any, shapes: tuple[tuple[int, ...], ...]
) -> tuple[tuple[tuple[str, int, Any], ...], int]:
    """The steps, and the place of the result."""
    terms, output = _read(request, len(shapes))
    dots = _spread(terms, shapes)
    output = _output(output, terms, dots)
    _check_sizes(terms, shapes)
    plan = _Plan()
    parts = [
        plan.without_repeats(_Part(at, term, shape))
        for at, (term, shape) in enumerate(zip(terms, shapes, strict=True))
    ]
    for picked in _order(parts, output):
        chosen = [parts[i] for i in sorted(picked)]
        parts = [part for i, part in enumerate(parts) if i not in picked]
        while len(chosen) > 1:
            x, y, *rest = chosen
            keep = {label for part in (*parts, *rest) for label in part.term} | set(output)
            chosen = [plan.pair(x, y, keep), *rest]
        parts.append(chosen[0])
    last = plan.arrange(plan.drop(parts[0], set(output)), output)
    return tuple(plan.steps), last.at


def _computed(operands: list[Any], steps: Any, place: int) -> Tensor:
    for name, at, argument in steps:
        if name in ("matmul", "mul"):
            argument = operands[argument]
        operands[at] = _STEPS[name](operands[at], argument)
    return operands[place]


@function(method=False, dtypes="int float complex", ref=lambda np, *args: np.einsum(*args),
          samples=lambda t: [("ij,jk->ik", t(2, 3), t(3, 4)), ("ii", t(3, 3)), ("ij->ji", t(2, 3)),
                             ("...ij,...jk", t(2, 2, 3), t(3, 2)), ("i,j", t(2), t(3)),
                             ("bi,ij,bj->b", t(2, 3), t(3, 4), t(2, 4)),
                             ("ij->", t(2, 3)), ("bij,bjk->bik", t(0, 2, 3), t(0, 3, 2))],
)  # fmt: skip
def einsum(*args: Any) -> Tensor:
    """Sums of products of operands, with their dimensions named by letters.

    Args:
        *args: an equation such as ``"bij,bjk->bik"`` and its operands, or operands each followed
            by a list of labels (ints from 0 to 51, or Ellipsis), and perhaps the output's list.
            A label that the output lacks is summed over; without ``->`` the output has the
            labels that appear once, in alphabetical order. Size 1 is broadcast.

    Raises:
        RuntimeError: labels and shapes do not fit.

    Example:
        >>> tp.einsum("i,i->", tp.tensor([1, 2, 3]), tp.tensor([1, 2, 3]))
        tensor(14)
    """
    if not args:
        raise OpTypeError("einsum: expected an equation and operands, got nothing", op="einsum")
    if isinstance(args[0], str):
        operands = list(args[1:])
        if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
            operands = list(operands[0])
        if not operands:
            raise _error("expected at least one operand, got none; must provide at least one")
        request: Any = args[0]
    else:
        pairs = args[: len(args) // 2 * 2]
        operands, request = list(pairs[::2]), tuple(map(tuple, pairs[1::2]))
        if len(args) % 2:
            request = (*request, tuple(args[-1]))
    factors("einsum", *operands)
    return _computed(operands, *_planned(request, tuple(tuple(x._h.shape) for x in operands)))
