"""Kernels in CUDA C++, compiled for the processor by g++."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np

from ._array import check, ndarray

HEADER = Path(__file__).parent / "cuda_on_host.h"
ROOM = Path(tempfile.gettempdir()) / "tensorplug-cuda-on-host"
KERNEL = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)\s*\{')

SIZES = SimpleNamespace(blocks=2, threads=1)
"""The largest grid, and how many threads of a block really run."""


FLAGS = ["-std=c++20", "-O1", "-fPIC", "-pthread", "-fno-strict-aliasing", "-ffp-contract=off"]


def compiled(text: str, options: tuple[str, ...] = ()) -> Any:
    """A library made of C++; kept for the next time."""
    text = f'#include "{HEADER.name}"\n{text}'
    folder = _prepared()
    key = hashlib.sha256("\0".join((folder.name, text, *options)).encode()).hexdigest()[:24]
    target = ROOM / f"{key}.so"
    if not target.exists():
        _compile(target, text, "-shared", "-I", str(folder), *options)
    return ctypes.CDLL(str(target))


def _prepared() -> Path:
    """A folder with the header, compiled before: reading the standard library takes longest."""
    text = HEADER.read_text()
    folder = ROOM / hashlib.sha256(text.encode()).hexdigest()[:24]
    folder.mkdir(parents=True, exist_ok=True)
    ready = folder / f"{HEADER.name}.gch"
    if not ready.exists():
        mine = folder / f"{os.getpid()}.h"  # others may be about it at the same time
        mine.write_text(text)
        mine.replace(folder / HEADER.name)
        _compile(ready, text, "-x", "c++-header")
    return folder


def _compile(target: Path, text: str, *options: str) -> None:
    with tempfile.TemporaryDirectory(dir=ROOM) as folder:
        source, made = Path(folder) / "k.cpp", Path(folder) / "made"
        source.write_text(text)
        command = ["g++", *FLAGS, *options, str(source), "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert not done.returncode, done.stderr[:4000]
        made.replace(target)


def launchers(text: str) -> str:
    """For each kernel a function that takes addresses of its arguments."""
    parts = []
    for found in KERNEL.finditer(text):
        name, parameters = found.groups()
        before = text[: found.start()]
        typed = before.count("#ifdef WIDE") + before.count("#ifdef __CUDA") > before.count("#endif")
        types = [re.sub(r"\w+\s*$", "", part).strip() for part in parameters.split(",")]
        given = ", ".join(f"*({type}*)args[{i}]" for i, type in enumerate(types))
        parts.append(
            f'extern "C" void launch_{name}(unsigned gx, unsigned gy, unsigned bx, void** args) '
            f"{{ run(gx, gy, bx, [=] {{ {name}({given}); }}); }}\n"
            f'extern "C" int count_{name}() {{ return {len(types)}; }}\n'
        )
        if typed:
            parts[-1] = f"#ifdef WIDE\n{parts[-1]}#endif\n"
    return text + "\n" + "".join(parts)


def _value(argument: Any) -> np.ndarray:
    """An argument as the bytes that a launch would hand over."""
    if argument is None:
        return np.zeros(1, np.uint64)
    if isinstance(argument, ndarray):
        assert argument.flags.c_contiguous
        check(argument)
        return np.array([argument.data.ptr if argument.size else 0], np.uint64)
    if isinstance(argument, np.ndarray):
        assert argument.size == 1
        return np.ascontiguousarray(argument)
    assert isinstance(argument, np.generic), f"a typed scalar, not {argument!r}"
    return np.array([argument])


class RawModule:
    def __init__(self, *, code: str, options: tuple[str, ...] = ()) -> None:
        defines = tuple(option for option in options if option.startswith("-D"))
        self.library = compiled(launchers(code), defines)

    def get_function(self, name: str) -> Any:
        launch = getattr(self.library, f"launch_{name}")
        expected = getattr(self.library, f"count_{name}")()

        def kernel(grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...]) -> None:
            assert len(args) == expected, f"{name}: {expected} arguments"
            assert all(type(n) is int and n > 0 for n in (*grid, *block))
            values = [_value(argument) for argument in args]
            pointers = (ctypes.c_void_p * len(values))(*[v.ctypes.data for v in values])
            grid = (*grid, 1)
            threads = min(block[0], SIZES.threads)
            launch(min(grid[0], SIZES.blocks), grid[1], threads, pointers)

        return kernel


_C = {
    "float16": "half_t", "bfloat16": "bfloat", "float32": "float", "float64": "double",
    "int8": "signed char", "int16": "short", "int32": "int", "int64": "long long",
    "uint8": "unsigned char", "uint16": "unsigned short", "uint32": "unsigned int",
    "uint64": "unsigned long long", "bool": "bool",
}  # fmt: skip


def _halves() -> str:
    """The two half types, from the plugin's own file."""
    from tensorplug.plugins import cupy_launch

    text = cupy_launch.source("random")
    return text[text.index("typedef unsigned short") : text.index("// Work is dealt out")]


class ElementwiseKernel:
    def __init__(
        self, in_params: str, out_params: str, operation: str, name: str = "kernel",
        preamble: str = "",
    ) -> None:  # fmt: skip
        self.ins = [part.split() for part in in_params.split(",")]
        self.outs = [part.split() for part in out_params.split(",")]
        self.operation, self.preamble, self.name = operation, preamble, name
        assert len(self.outs) == 1
        self._made: dict[str, Any] = {}

    def _code(self, letters: dict[str, np.dtype]) -> str:
        types = "".join(f"typedef {_C[kind.name]} {letter};\n" for letter, kind in letters.items())
        params = [(kind, name) for kind, name in (*self.ins, *self.outs)]
        said = {kind: kind if kind in letters else _C[kind] for kind, _ in params}
        pointers = ", ".join(f"{said[kind]}* p_{name}" for kind, name in params)
        loads = " ".join(f"const {said[k]} {n} = p_{n}[_i];" for k, n in self.ins)
        kind, out = self.outs[0]
        return (
            f"{_halves()}\n{types}{self.preamble}\n"
            f'extern "C" void apply(long long _count, {pointers}) {{\n'
            f"for (long long _i = 0; _i < _count; ++_i) {{ {loads} {said[kind]} {out};\n"
            f"{self.operation};\np_{out}[_i] = {out}; }} }}\n"
        )

    def __call__(self, *args: Any) -> ndarray:
        given = args[: len(self.ins)]
        out = args[len(self.ins)] if len(args) > len(self.ins) else None
        check(*args)
        letters: dict[str, np.dtype] = {}
        for (kind, name), value in zip(self.ins, given, strict=True):
            if kind not in _C:
                assert hasattr(value, "dtype"), f"{self.name}: {name} has no type"
                if letters.setdefault(kind, value.dtype) != value.dtype:
                    raise TypeError(f"{self.name}: Type is mismatched. {name}")
        shape = np.broadcast_shapes(*[v.shape for v in given if isinstance(v, ndarray)])
        if out is not None:
            assert isinstance(out, ndarray) and out.shape == shape
        raw = []
        for (kind, _), value in zip(self.ins, given, strict=True):
            dtype = letters.get(kind) or np.dtype(kind)
            plain = value._a if isinstance(value, ndarray) else np.asarray(value, dtype)
            raw.append(np.array(np.broadcast_to(plain, shape), dtype, order="C"))
        kind = self.outs[0][0]
        raw.append(np.empty(shape, letters.get(kind) or np.dtype(kind)))
        code = self._code(letters)
        if code not in self._made:
            self._made[code] = compiled(code)
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in raw]
        self._made[code].apply(ctypes.c_longlong(raw[-1].size), *pointers)
        if out is None:
            return ndarray.new(raw[-1])
        out._a[...] = raw[-1].astype(out.dtype, casting="same_kind")
        return out


assert ml_dtypes is not None
