"""How an op's result type follows from its inputs' (promoted) type.

A kind is a table: type of the inputs -> (type to compute in, type of the result). A missing
entry means that the op does not take that type.
"""

from __future__ import annotations

from ..backends.dtypes import ALL, STORED, DType, bool_, default_float, int64

__all__ = [
    "ALWAYS_BOOL",
    "ANY",
    "COMPLEX_PART",
    "COMPLEX_TO_FLOAT",
    "DEFAULT",
    "FLOATING",
    "FLOAT_TO_COMPLEX",
    "INEXACT",
    "INEXACT_TO_FLOAT",
    "INTEGER",
    "INTEGRAL",
    "INT_OR_COMPLEX_TO_FLOAT",
    "INT_TO_FLOAT",
    "INT_TO_LONG",
    "NO_BOOL",
    "NO_COMPLEX",
    "NUMERIC_REAL",
    "REAL_FLOAT",
    "REAL_TO_BOOL",
    "REAL_TO_LONG",
    "TO_LONG",
    "Kind",
]  # fmt: skip


class Kind:
    """A named type rule; ``accepts`` and ``result`` are told by the constructor."""

    __slots__ = ("accepts", "computes", "exact", "name", "results")

    def __init__(
        self, name: str, accepts: str = "bool uint int float complex", computes: str = "same",
        result: str = "same",
    ) -> None:  # fmt: skip
        self.name = name
        self.accepts = tuple(accepts.split())
        self.computes = computes
        self.results = result
        self.exact: dict[DType, DType] = {}  # types that need no cast first -> result type
        for dtype in ALL:
            if dtype.kind in self.accepts and self.compute(dtype) is dtype:
                self.exact[dtype] = self.result(dtype)

    def compute(self, dtype: DType) -> DType | None:
        """The type to cast the inputs to, None when the op refuses ``dtype``."""
        if dtype.kind not in self.accepts or dtype in STORED:
            return None
        if self.computes == "float" and not dtype.is_inexact:
            return default_float()
        if self.computes == "long" and not dtype.is_inexact:
            return int64
        if self.computes == "long for bool" and dtype is bool_:
            return int64
        return dtype

    def result(self, dtype: DType) -> DType:
        """The result's type when computing in ``dtype``."""
        if self.results == "bool":
            return bool_
        if self.results == "long":
            return int64
        if self.results == "complex":
            return dtype.to_complex()
        return dtype.to_real() if self.results == "real" else dtype

    def __repr__(self) -> str:
        return self.name


DEFAULT = Kind("DEFAULT")
ANY = DEFAULT
INT_TO_FLOAT = Kind("INT_TO_FLOAT", computes="float")
REAL_FLOAT = Kind("REAL_FLOAT", "bool uint int float", computes="float")
INT_TO_LONG = Kind("INT_TO_LONG", computes="long")
ALWAYS_BOOL = Kind("ALWAYS_BOOL", result="bool")
REAL_TO_BOOL = Kind("REAL_TO_BOOL", "bool uint int float", result="bool")
COMPLEX_TO_FLOAT = Kind("COMPLEX_TO_FLOAT", result="real")
NO_COMPLEX = Kind("NO_COMPLEX", "bool uint int float")
NUMERIC_REAL = Kind("NUMERIC_REAL", "uint int float")
NO_BOOL = Kind("NO_BOOL", "uint int float complex")
INTEGRAL = Kind("INTEGRAL", "bool uint int")
INTEGER = Kind("INTEGER", "uint int")
INEXACT = Kind("INEXACT", "float complex")
INEXACT_TO_FLOAT = Kind("INEXACT_TO_FLOAT", "float complex", result="real")
FLOATING = Kind("FLOATING", "float")
COMPLEX_PART = Kind("COMPLEX_PART", "complex", result="real")
FLOAT_TO_COMPLEX = Kind("FLOAT_TO_COMPLEX", "float", result="complex")
INT_OR_COMPLEX_TO_FLOAT = Kind("INT_OR_COMPLEX_TO_FLOAT", computes="float", result="real")
BOOL_TO_LONG = Kind("BOOL_TO_LONG", computes="long for bool")
TO_LONG = Kind("TO_LONG", result="long")
REAL_TO_LONG = Kind("REAL_TO_LONG", "bool uint int float", result="long")
