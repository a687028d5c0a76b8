"""The programs of ``own``: creation, metadata, dtypes, autograd members, legacy constructors."""

from __future__ import annotations

from typing import Any

import numpy as np

from .own import OWN, own, own_findings

__all__ = ["OWN", "own_findings"]

DTYPES = (
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
)
LEGACY = {
    "FloatTensor": "float32",
    "DoubleTensor": "float64",
    "HalfTensor": "float16",
    "LongTensor": "int64",
    "IntTensor": "int32",
    "ShortTensor": "int16",
    "CharTensor": "int8",
    "ByteTensor": "uint8",
    "BoolTensor": "bool",
}
DATA = [[1.0, 2.5, -3.0], [0.0, 4.0, 5.0]]
REFUSALS = (RuntimeError, TypeError, ValueError)


def _raises(call: Any, errors: Any = REFUSALS) -> bool:
    try:
        call()
    except errors:
        return True
    return False


def _state(x: Any) -> list[Any]:
    return [x.requires_grad, x.is_leaf, x.grad is None, x.grad_fn is None]


@own("tensor")
def tensor(m: Any) -> Any:
    nested = [m.tensor(DATA), m.tensor([1, 2]), m.tensor(True), m.tensor([]), m.tensor([[]])]
    typed = [m.tensor([1, 0], dtype=getattr(m, name)) for name in DTYPES]
    mixed = [m.tensor([1, 2.5]), m.tensor([1j, 2]), m.tensor([True, 2]), m.tensor((3,))]
    arrays = [m.tensor(np.arange(3)), m.tensor(np.float32(2)), m.tensor([np.arange(2)] * 2)]
    leaf = m.tensor([1.0], requires_grad=True)
    ragged = _raises(lambda: m.tensor([[1, 2], [3]]))
    whole = _raises(lambda: m.tensor([1], requires_grad=True))
    return [nested, typed, mixed, arrays, leaf, _state(leaf), ragged, whole]


@own("as_tensor")
def as_tensor(m: Any) -> Any:
    x = m.tensor(DATA)
    array = np.zeros(3, np.float32)
    same, changed = m.as_tensor(x) is x, m.as_tensor(x, dtype=m.float64)
    host = m.as_tensor(array, device="cpu")
    array[0] = 7
    return [same, changed, host, m.as_tensor([1, 2]), m.as_tensor(2.5)]


@own("asarray")
def asarray(m: Any) -> Any:
    x = m.tensor(DATA)
    copied = m.asarray(x, copy=True)
    return [m.asarray(x) is x, copied is x, copied, m.asarray([1, 2]), m.asarray(np.ones(2))]


@own("from_numpy")
def from_numpy(m: Any) -> Any:
    array = np.arange(6.0).reshape(2, 3)
    shared, turned = m.from_numpy(array), m.from_numpy(array.T)
    array[0, 1] = 9
    refused = _raises(lambda: m.from_numpy([1]), TypeError)
    return [shared, turned, list(turned.stride()), refused]


@own("from_dlpack")
def from_dlpack(m: Any) -> Any:
    array = np.arange(6, dtype=np.float32)
    x = m.from_dlpack(array)
    array[2] = 8
    return [x, m.from_dlpack(m.tensor(DATA, device="cpu"))]


@own("rand")
def rand(m: Any) -> Any:
    made = [m.rand(2, 3), m.rand((4,)), m.rand(2, dtype=m.float64), m.rand([]), m.rand(0)]
    leaf = m.rand(2, requires_grad=True)
    return [[[list(x.shape), x.dtype] for x in made], leaf.requires_grad]


@own("randperm")
def randperm(m: Any) -> Any:
    x = m.randperm(20)
    return [x.sort().values, x.dtype, m.randperm(5, dtype=m.int32).dtype, m.randperm(0)]


@own("empty_strided")
def empty_strided(m: Any) -> Any:
    x = m.empty_strided((2, 3), (1, 2), dtype=m.float64)
    return [list(x.shape), list(x.stride()), x.dtype, x.is_contiguous(), x.zero_()]


@own("full")
def full(m: Any) -> Any:
    values = [m.full((2,), value) for value in (1, 2.5, True, 1j)]
    typed = m.full((2, 1), 3, dtype=m.float64)
    return [values, typed, m.full([], 4), m.full((1,), 2.0, requires_grad=True).requires_grad]


@own("manual_seed", "get_rng_state", "set_rng_state")
def seeds(m: Any) -> Any:
    m.manual_seed(3)
    state = m.get_rng_state()
    first, second = m.rand(4), m.rand(4)
    m.set_rng_state(state)
    restored = m.rand(4)
    m.manual_seed(3)
    again = m.rand(4)
    same = [bool((x == first).all()) for x in (second, restored, again)]
    return [*same, m.initial_seed(), state.dtype]


@own("Generator")
def generator(m: Any) -> Any:
    one, other = m.Generator(), m.Generator()
    handed = one.manual_seed(7) is one
    other.manual_seed(7)
    first, same = m.rand(3, generator=one), m.rand(3, generator=other)
    state = one.get_state()
    ahead = m.randn(3, generator=one)
    one.set_state(state)
    repeated = m.randn(3, generator=one)
    drawn = [m.randint(0, 9, (4,), generator=one), m.randperm(4, generator=one)]
    shapes = [list(x.shape) for x in drawn]
    equal = [bool((first == same).all()), bool((ahead == repeated).all())]
    return [handed, equal, one.initial_seed(), shapes, one.device.type]


@own("is_tensor", "is_floating_point", "is_complex", "numel")
def questions(m: Any) -> Any:
    tensors = [m.zeros(2, 3, dtype=getattr(m, name)) for name in DTYPES]
    asked = [[m.is_floating_point(x), m.is_complex(x), m.numel(x)] for x in tensors]
    members = [[x.is_floating_point(), x.is_complex(), x.numel()] for x in tensors]
    return [m.is_tensor(tensors[0]), m.is_tensor([1]), m.is_tensor(1.0), asked, members]


@own("finfo")
def finfo(m: Any) -> Any:
    fields = ("bits", "eps", "max", "min", "tiny", "resolution", "smallest_normal", "dtype")
    infos = [m.finfo(getattr(m, n)) for n in ("float16", "bfloat16", "float32", "float64")]
    return [[getattr(info, name) for name in fields] for info in infos] + [m.finfo().bits]


@own("iinfo")
def iinfo(m: Any) -> Any:
    infos = [m.iinfo(getattr(m, n)) for n in ("uint8", "int8", "int16", "int32", "int64")]
    return [[info.bits, info.max, info.min, info.dtype] for info in infos]


@own("promote_types", "can_cast")
def promote_types(m: Any) -> Any:
    pairs = [(getattr(m, a), getattr(m, b)) for a in DTYPES for b in DTYPES]
    return [[m.promote_types(a, b), m.can_cast(a, b)] for a, b in pairs]


@own("result_type")
def result_type(m: Any) -> Any:
    tensors = [m.zeros(2, dtype=getattr(m, name)) for name in DTYPES]
    pairs = [m.result_type(a, b) for a in tensors for b in tensors]
    scalars = [m.result_type(x, value) for x in tensors for value in (True, 1, 1.0, 1j)]
    return [pairs, scalars, m.result_type(1, 2.0)]


@own("set_default_dtype")
def set_default_dtype(m: Any) -> Any:
    before = m.get_default_dtype()
    m.set_default_dtype(m.float64)
    try:
        made = [m.tensor(1.5), m.zeros(2), m.arange(0.0, 3.0), m.tensor([1j]), m.tensor([1]) / 2]
    finally:
        m.set_default_dtype(before)
    return [before, made, m.zeros(1)]


@own("set_default_device")
def set_default_device(m: Any) -> Any:
    before = m.get_default_device()
    m.set_default_device("cpu")
    try:
        made = [m.zeros(1).device.type, m.tensor(1).device.type, m.get_default_device().type]
    finally:
        m.set_default_device(before)
    return made


@own("set_printoptions")
def set_printoptions(m: Any) -> Any:
    x = m.tensor([1 / 3, 2.0], device="cpu")
    plain = repr(x)
    m.set_printoptions(precision=2)
    try:
        short = repr(x)
    finally:
        m.set_printoptions(profile="default")
    return [plain, short, repr(x), repr(m.tensor([1, 2], device="cpu")), str(m.tensor(2.5))]


@own("Tensor.size", "Tensor.dim", "Tensor.element_size")
def metadata(m: Any) -> Any:
    x = m.zeros(2, 3, 4)
    sizes = [tuple(x.size()), x.size(1), x.size(-1), tuple(x.shape), x.shape[0]]
    ranks = [x.dim(), x.ndim, m.tensor(1).dim(), x.ndimension(), x.nelement()]
    widths = [m.zeros(1, dtype=getattr(m, name)).element_size() for name in DTYPES]
    return [sizes, ranks, widths, _raises(lambda: x.size(3), IndexError), len(x)]


@own("Tensor.detach", "Tensor.data", "Tensor.is_leaf")
def detach(m: Any) -> Any:
    x = m.tensor(DATA, requires_grad=True)
    y = x * 2
    cut, data = y.detach(), x.data
    cut[0, 0] = 50.0
    data[0, 1] = 60.0
    x.data = x.data + 1
    return [_state(x), _state(y), _state(cut), _state(data), x, y, m.tensor(1.0).is_leaf]


@own("Tensor.requires_grad_")
def requires_grad_(m: Any) -> Any:
    x = m.tensor(DATA)
    handed = x.requires_grad_() is x
    off = m.tensor(DATA, requires_grad=True).requires_grad_(False)
    whole = _raises(lambda: m.tensor([1]).requires_grad_(), RuntimeError)
    inner = _raises(lambda: (x * 2).requires_grad_(False), RuntimeError)
    return [handed, x.requires_grad, off.requires_grad, whole, inner]


@own("Tensor.backward")
def backward(m: Any) -> Any:
    x = m.tensor(DATA, requires_grad=True)
    (x * x).sum().backward()
    once = x.grad.clone()
    (x * 3).backward(m.ones(2, 3))
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    spent = _raises(y.backward, RuntimeError)
    vector = _raises(lambda: (x * 2).backward(), RuntimeError)
    constant = _raises(lambda: m.ones(1).sum().backward(), RuntimeError)
    z = m.tensor(2.0, requires_grad=True)
    (z**3).backward(create_graph=True)
    return [once, x.grad, spent, vector, constant, z.grad, z.grad.requires_grad]


@own("Tensor.numpy", "Tensor.tolist", "Tensor.cpu")
def to_host(m: Any) -> Any:
    x = m.tensor(DATA)
    lists = [x.tolist(), m.tensor(3).tolist(), m.tensor([True]).tolist(), m.zeros(2, 0).tolist()]
    host = m.tensor(DATA, device="cpu")
    shared = host.numpy()
    shared[0, 0] = 11
    leaf = m.ones(2, requires_grad=True)
    refused = _raises(lambda: leaf.cpu().numpy(), RuntimeError)
    return [lists, host, x.cpu().numpy(), host.cpu() is host, refused, x.cpu().device.type]


@own("Tensor.cuda")
def cuda(m: Any) -> Any:
    return [callable(m.Tensor.cuda), m.cuda.is_available(), m.tensor(1.0).is_cuda]


@own("Tensor.copy_")
def copy_(m: Any) -> Any:
    x = m.zeros(2, 3)
    handed = x.copy_(m.tensor([1, 2, 3])) is x
    turned = m.zeros(3, 2).t().copy_(m.tensor(DATA))
    leaf = m.tensor(DATA, requires_grad=True)
    y = m.zeros(2, 3).copy_(leaf)
    (y * y).sum().backward()
    return [handed, x, turned, leaf.grad, _raises(lambda: x.copy_(m.zeros(5)), RuntimeError)]


@own("Tensor.set_", "Tensor.storage", "Tensor.untyped_storage")
def storages(m: Any) -> Any:
    x = m.tensor(DATA)
    y = m.empty(0).set_(x)
    y[0, 0] = 5.0
    z = m.empty(0)
    z.set_(x.untyped_storage(), 1, (2, 2), (3, 1))
    same = x.untyped_storage().data_ptr() == y.untyped_storage().data_ptr()
    sizes = [x.untyped_storage().nbytes(), len(x[0].storage()), x[1].storage_offset()]
    return [x, y, z, same, sizes, x.storage().tolist()]


@own("Tensor.type", "Tensor.type_as")
def types(m: Any) -> Any:
    x = m.tensor([1, 2])
    names = [m.zeros(1, dtype=getattr(m, n)).type().rsplit(".")[-1] for n in DTYPES[:10]]
    return [names, x.type(m.float64), x.type_as(m.zeros(1)), x.type_as(x) is x]


@own("Tensor.register_hook", "Tensor.retain_grad")
def hooks(m: Any) -> Any:
    x = m.tensor(DATA, requires_grad=True)
    y = x * 2
    y.retain_grad()
    seen: list[Any] = []
    handle = x.register_hook(lambda grad: seen.append(grad.clone()))
    y.register_hook(lambda grad: grad * 10)
    (y * y).sum().backward()
    handle.remove()
    (x * 1).sum().backward()
    refused = _raises(lambda: m.ones(1).register_hook(print), RuntimeError)
    return [seen, x.grad, y.grad, y.retains_grad, refused]


@own("Tensor.index_put_")
def index_put_(m: Any) -> Any:
    x = m.zeros(3, 3)
    rows, columns = m.tensor([0, 2]), m.tensor([1, 1])
    handed = x.index_put_((rows, columns), m.tensor([1.0, 2.0])) is x
    x.index_put_((m.tensor([1, 1]),), m.tensor(4.0), accumulate=True)
    return [handed, x, x.clone().index_put_((x > 3,), m.tensor(-1.0))]


@own(*LEGACY)
def legacy(m: Any) -> Any:
    made = []
    for name, dtype in LEGACY.items():
        build = getattr(m, name)
        x = build([[1, 0], [1, 1]])
        made.append([x, tuple(build(2, 3).shape), tuple(build().shape)])
        made.append([isinstance(x, build), x.dtype == getattr(m, dtype)])
    return made
