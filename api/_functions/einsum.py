"""Einstein summation: labels of dimensions, a contraction order, and products of pairs."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

from ..autograd.errors import OpError, OpTypeError
from ..autograd.ops.products import MATMUL
from ..autograd.registry import ROWS, function
from ..autograd.tensor import Tensor
from .products import factors

__all__ = ["einsum"]

_matmul, _mul, _sum = MATMUL.call, ROWS["mul"].call, ROWS["sum"].call
_permute, _reshape, _diagonal = ROWS["permute"].call, ROWS["reshape"].call, ROWS["diagonal"].call

Label = Hashable
Term = list[Label]


def _error(text: str) -> OpError:
    return OpError(f"einsum: {text}", op="einsum")


# --- reading the equation --------------------------------------------------------------------------


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


def _from_sublists(args: Sequence[Any]) -> tuple[list[Term], Term | None, list[Any]]:
    """``einsum(x, [0, 1], y, [1, 2], [0, 2])``."""

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

    output = term(args[-1]) if len(args) % 2 else None
    pairs = args[: len(args) // 2 * 2]
    return [term(items) for items in pairs[1::2]], output, list(pairs[::2])


def _spread(terms: list[Term], operands: list[Tensor]) -> int:
    """Replace each ellipsis by labels counted from the right; the most that one stands for."""
    most = 0
    for position, (term, x) in enumerate(zip(terms, operands, strict=True)):
        rank, named = len(x._h.shape), len(term) - term.count(Ellipsis)
        dots = term.count(Ellipsis)
        if dots > 1:
            raise _error(f"expected one '...' per operand, got {dots} for operand {position}")
        if named > rank or (not dots and named != rank):
            raise _error(
                f"expected as many subscripts as dimensions, got {named} for operand {position} of "
                f"shape {tuple(x._h.shape)}; the number of subscripts in the equation does not "
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


def _check_sizes(terms: list[Term], operands: list[Tensor]) -> None:
    sizes: dict[Label, int] = {}
    for term, x in zip(terms, operands, strict=True):
        own: dict[Label, int] = {}
        for label, size in zip(term, x._h.shape, strict=True):
            if own.setdefault(label, size) != size:
                raise _error(
                    f"expected one size for the repeated subscript {label!r}, got {own[label]} and "
                    f"{size} in shape {tuple(x._h.shape)}"
                )
            if sizes.get(label, 1) == 1:
                sizes[label] = size
            elif size not in (1, sizes[label]):
                raise _error(
                    f"expected one size for subscript {label!r}, got {sizes[label]} and {size}; "
                    "operands do not broadcast"
                )


# --- computing -------------------------------------------------------------------------------------


def _without_repeats(x: Tensor, term: Term) -> tuple[Tensor, Term]:
    """Diagonals for labels that stand twice."""
    for label in dict.fromkeys(term):
        while term.count(label) > 1:
            first = term.index(label)
            second = term.index(label, first + 1)
            x = _diagonal(x, (0, first, second))
            term = [item for i, item in enumerate(term) if i not in (first, second)] + [label]
    return x, term


def _drop(x: Tensor, term: Term, keep: Any) -> tuple[Tensor, Term]:
    """Sum over the labels that nobody else needs."""
    lost = tuple(i for i, label in enumerate(term) if label not in keep)
    if not lost:
        return x, term
    return _sum(x, lost, False), [label for label in term if label in keep]


def _squeeze(x: Tensor, term: Term, y: Tensor, other: Term) -> tuple[Tensor, Term]:
    """Leave out dimensions of size 1 that the other operand has at another size."""
    wide = {label for label, size in zip(other, y._h.shape, strict=True) if size != 1}
    kept = [i for i, label in enumerate(term) if x._h.shape[i] != 1 or label not in wide]
    if len(kept) == len(term):
        return x, term
    return _reshape(x, tuple(x._h.shape[i] for i in kept)), [term[i] for i in kept]


def _arrange(x: Tensor, term: Term, *groups: Term) -> tuple[Tensor, list[list[int]]]:
    """Dimensions in the order of the groups, and the sizes of each group."""
    order = tuple(term.index(label) for group in groups for label in group)
    sizes = [[x._h.shape[term.index(label)] for label in group] for group in groups]
    return x if order == tuple(range(len(term))) else _permute(x, order), sizes


def _pair(x: Tensor, a: Term, y: Tensor, b: Term, keep: set[Label]) -> tuple[Tensor, Term]:
    """The product of two operands, summed over the labels that are not to be kept."""
    (x, a), (y, b) = _squeeze(x, a, y, b), _squeeze(y, b, x, a)
    x, a = _drop(x, a, keep | set(b))
    y, b = _drop(y, b, keep | set(a))
    batch = [label for label in a if label in b and label in keep]
    inner = [label for label in a if label in b and label not in keep]
    rows = [label for label in a if label not in b]
    columns = [label for label in b if label not in a]
    x, (many, m, k) = _arrange(x, a, batch, rows, inner)
    y, (_, _, n) = _arrange(y, b, batch, inner, columns)
    found = [*batch, *rows, *columns]
    if not inner:  # nothing to sum: an elementwise product, broadcast
        left = _reshape(x, (*many, *m, *(1,) * len(n)))
        return _mul(left, _reshape(y, (*many, *(1,) * len(m), *n))), found
    depth = math.prod(k)
    product = _matmul(
        _reshape(x, (*many, math.prod(m), depth)), _reshape(y, (*many, depth, math.prod(n)))
    )
    return _reshape(product, (*many, *m, *n)), found


def _order(terms: list[Term], operands: list[Tensor], output: Term) -> list[tuple[int, ...]]:
    """Which operands to multiply in which order, by opt_einsum."""
    if len(operands) <= 2:
        return [tuple(range(len(operands)))]
    import opt_einsum  # only contractions of three and more pay for loading it

    names: dict[Label, str] = {}
    for term in terms:
        for label in term:
            names.setdefault(label, opt_einsum.get_symbol(len(names)))
    equation = ",".join("".join(names[label] for label in term) for term in terms)
    equation += "->" + "".join(names[label] for label in output)
    shapes = [tuple(x._h.shape) for x in operands]
    path, _ = opt_einsum.contract_path(equation, *shapes, shapes=True)
    return list(path)


def _contract(operands: list[Tensor], terms: list[Term], output: Term) -> Tensor:
    parts = [_without_repeats(x, term) for x, term in zip(operands, terms, strict=True)]
    path = _order([term for _, term in parts], [x for x, _ in parts], output)
    for picked in path:
        chosen = [parts[i] for i in sorted(picked)]
        parts = [part for i, part in enumerate(parts) if i not in picked]
        while len(chosen) > 1:
            (x, a), (y, b) = chosen[:2]
            others = [*parts, *chosen[2:]]
            keep = {label for _, term in others for label in term} | set(output)
            chosen = [_pair(x, a, y, b, keep), *chosen[2:]]
        parts.append(chosen[0])
    x, term = _drop(*parts[0], set(output))
    order = tuple(term.index(label) for label in output)
    return x if order == tuple(range(len(order))) else _permute(x, order)


@function(method=False, dtypes="int float complex", ref=lambda np, *args: np.einsum(*args),
          samples=lambda t: [("ij,jk->ik", t(2, 3), t(3, 4)), ("ii", t(3, 3)), ("ij->ji", t(2, 3)),
                             ("...ij,...jk", t(2, 2, 3), t(3, 2)), ("i,j", t(2), t(3)),
                             ("bi,ij,bj->b", t(2, 3), t(3, 4), t(2, 4)),
                             ("ij->", t(2, 3)), ("bij,bjk->bik", t(0, 2, 3), t(0, 3, 2))])  # fmt: skip
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
        terms, output = _from_equation(args[0], len(operands))
    else:
        terms, output, operands = _from_sublists(args)
    factors("einsum", *operands)
    dots = _spread(terms, operands)
    output = _output(output, terms, dots)
    _check_sizes(terms, operands)
    return _contract(operands, terms, output)
