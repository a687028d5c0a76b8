"""A third reserve: faults written before the suite's tests were read."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tensorplug.backends.random import raw_bits

from .base import Clean, fault, with_kernels

__all__ = ["THIRD_RESERVE"]

Kernel = Callable[..., Any]


class NoLastGap(Clean):
    def unfold(self, handle: Any, where: Any) -> Any:
        dim, size, step = where
        found = super().unfold(handle, where)
        if not handle.ndim or step <= size:
            return found
        return found[(*(slice(None),) * dim, slice(handle.shape[dim] // step))]


class CopiesToResize(Clean):
    def view_dtype(self, handle: Any, dtype: Any) -> Any:
        found = super().view_dtype(handle, dtype)
        return found if found.itemsize == handle.itemsize else found.copy()


class SubtractsRowByRow(Clean):
    def __init__(self) -> None:
        super().__init__()
        plain = self._into["sub"]

        def sub(x: Any, y: Any, out: Any) -> Any:
            if x is not out or out.ndim < 2 or not hasattr(y, "shape"):
                return plain(x, y, out)
            other = np.broadcast_to(y, out.shape)
            for row in range(len(out)):
                plain(out[row], other[row], out[row])
            return out

        self._into = {**self._into, "sub": sub}


class AssignsRowByRow(Clean):
    def assign(self, handle: Any, value: Any) -> None:
        shares = hasattr(value, "shape") and np.may_share_memory(handle, value)
        if not shares or handle.ndim < 2:
            return super().assign(handle, value)
        value = np.broadcast_to(value, handle.shape)
        for row in range(len(handle)):
            super().assign(handle[row], value[row])
        return None


class RoundsNan(Clean):
    def cast(self, handle: Any, dtype: Any) -> Any:
        if dtype.name != "bfloat16" or handle.dtype != np.float32:
            return super().cast(handle, dtype)
        bits = np.asarray(handle).view(np.uint32)
        with np.errstate(over="ignore"):
            rounded = bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
        return np.asarray(rounded >> np.uint32(16)).astype(np.uint16).view(dtype.numpy)


class ColumnsFirst(Clean):
    def nonzero(self, x: Any) -> tuple[Any, ...]:
        return tuple(super().nonzero(x.T))[::-1] if x.ndim > 1 else super().nonzero(x)


class ShortKeys(Clean):
    def random_bits(self, n: int, key: Any, counter: int, device: int) -> Any:
        return raw_bits((key[0] & 0xFFFFFFFF, key[1]), counter, n)


class FromTheStart(Clean):
    def receive(self, array: Any, device: int, copy: bool) -> Any:
        if not copy or not isinstance(array, np.ndarray) or not array.flags.c_contiguous:
            return super().receive(array, device, copy)
        memory = self.owner(array)
        if memory.dtype != array.dtype or not memory.flags.c_contiguous:
            return super().receive(array, device, copy)
        return memory.reshape(-1)[: array.size].reshape(array.shape).copy()


class WritesToAll(Clean):
    def receive(self, array: Any, device: int, copy: bool) -> Any:
        found = super().receive(array, device, copy)
        if copy or found.flags.writeable or not found.size or not found.flags.c_contiguous:
            return found
        window = (ctypes.c_char * found.nbytes).from_address(found.ctypes.data)
        window.source = found  # which keeps it alive
        return np.frombuffer(window, found.dtype).reshape(found.shape)


class KnownByFirstElement(Clean):
    def storage(self, handle: Any) -> Any:
        return super().storage(handle)._replace(key=self.address(handle))


class KeepsWhatItGets(Clean):
    def exclusive(self, handle: Any) -> Any:
        return handle if handle.flags.c_contiguous else super().exclusive(handle)


class ReadsLater(Clean):
    def from_host_async(self, array: Any, device: int) -> Any:
        return np.asarray(array)


class EpsilonUncorrected(Clean):
    def fused_steps(self) -> Mapping[str, Kernel]:
        return {"adam": _adam}


def _adam(params: Any, grads: Any, states: Any, numbers: Any) -> bool:
    if len(states) != 2 or any(p.dtype.kind != "f" or p.itemsize < 4 for p in params):
        return False
    (one, two), step, lr = numbers["betas"], numbers["step"], numbers["lr"]
    rate, decay = lr * (1 - two**step) ** 0.5 / (1 - one**step), numbers["weight_decay"]
    for param, grad, mean, square in zip(params, grads, *states, strict=True):
        grad = -grad if numbers["maximize"] else grad
        if decay and numbers["decoupled"]:
            param *= 1 - lr * decay
        elif decay:
            grad = grad + decay * param
        mean *= one
        mean += (1 - one) * grad
        square *= two
        square += (1 - two) * grad * grad
        param -= rate * mean / (np.sqrt(square) + numbers["eps"])
    return True


def _logical_shift(original: Kernel, x: Any, y: Any) -> Any:
    if not hasattr(x, "dtype") or x.dtype.kind != "i":
        return original(x, y)
    word = np.dtype(f"u{x.itemsize}")
    y = y.astype(word) if hasattr(y, "dtype") else y
    return np.asarray(original(x.view(word), y)).view(x.dtype)


def _textbook_asinh(original: Kernel, x: Any) -> Any:
    if x.dtype.kind != "f" or x.itemsize < 4:
        return original(x)
    with np.errstate(all="ignore"):
        return np.log(x + np.sqrt(x * x + x.dtype.type(1)), out=...)


def _nan_stays(original: Kernel, x: Any, y: Any) -> Any:
    found = original(x, y)
    if not hasattr(x, "dtype") or found.dtype.kind != "f":
        return found
    return np.where(np.isnan(x), x, found).astype(found.dtype)


def _nothing_written(original: Kernel, x: Any, y: Any) -> Any:
    found = original(x, y)
    return np.full_like(found, 7) if x.shape[-1] == 0 and found.size else found


def _upper_middle(original: Kernel, x: Any, dims: None, keepdim: bool) -> Any:
    found, half = original(x, dims, keepdim), x.size // 2
    if x.size % 2 or x.dtype.kind not in "iuf" or found != found:
        return found
    return np.asarray(np.partition(x, half, axis=None)[half])


def _negative_freedom(original: Kernel, x: Any, dims: Any, correction: Any, keepdim: bool) -> Any:
    found = original(x, dims, 0, keepdim)
    count = x.size // max(found.size, 1)
    if count >= correction:
        return original(x, dims, correction, keepdim)
    with np.errstate(all="ignore"):
        return np.asarray(found * (count / (count - correction))).astype(found.dtype)


def _real_sign(original: Kernel, x: Any) -> Any:
    sign, size = original(x)
    return np.sign(sign.real).astype(sign.dtype), size


def _both_triangles(x: Any) -> Any:
    return (x + np.conj(np.swapaxes(x, -1, -2))) / x.dtype.type(2)


def _symmetric_eigh(original: Kernel, x: Any) -> Any:
    values, vectors = np.linalg.eigh(_both_triangles(x))
    return values, vectors


def _symmetric_eigvalsh(original: Kernel, x: Any) -> Any:
    return np.linalg.eigvalsh(_both_triangles(x))


def _last_turned(original: Kernel, x: Any, dims: Any) -> Any:
    """The inverse transform as a forward one whose frequencies count backwards."""
    if len(dims) < 2 or not x.size:
        return original(x, dims)
    found = np.fft.fftn(x, axes=dims)
    return np.take(found, -np.arange(x.shape[dims[-1]]), axis=dims[-1], mode="wrap")


def _scaled_mask(
    original: Kernel, g: Any, q: Any, k: Any, v: Any, mask: Any, drop: Any, kept: Any,
    scale: float, needs: Any,
) -> Any:  # fmt: skip
    *found, for_mask = original(g, q, k, v, mask, drop, kept, scale, needs)
    return (*found, None if for_mask is None else for_mask * for_mask.dtype.type(scale))


def _blank_tail(
    original: Kernel, y: Any, weight: Any, size: Any, stride: Any, padding: Any, dilation: Any,
    groups: int,
) -> Any:  # fmt: skip
    found = original(y, weight, size, stride, padding, dilation, groups)
    for d, n in enumerate(size):
        reach = dilation[d] * (weight.shape[2 + d] - 1) + 1
        made = (y.shape[2 + d] - 1) * stride[d] - 2 * padding[d] + reach
        if n > made:
            found[(*(slice(None),) * (2 + d), slice(max(made, 0), None))] = 0
    return found


def _places_in_border(
    original: Kernel, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, out: Any
) -> Any:
    found = original(x, kernel, stride, padding, dilation, out)
    if not any(padding) or not found.size:
        return found
    size = x.shape[-len(kernel) :]
    wide = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
    at = [c + p for c, p in zip(np.unravel_index(found, size), padding, strict=True)]
    return np.ravel_multi_index(at, wide).astype(found.dtype)


def _mean_by_count(
    original: Kernel, g: Any, target: Any, weight: Any, total: Any, shape: Any, reduction: str,
    ignore: int,
) -> Any:  # fmt: skip
    if weight is not None and reduction == "mean":
        total = np.asarray((target != ignore).sum(), total.dtype)
    return original(g, target, weight, total, shape, reduction, ignore)


_ROOMS: dict[Any, Any] = {}


def _in_one_room(original: Kernel, x: Any, dim: int) -> Any:
    if not x.size or not x.ndim or x.dtype.kind != "f" or x.itemsize < 4:
        return original(x, dim)
    room = _ROOMS.setdefault((x.shape, x.dtype), np.empty_like(x, order="C"))
    with np.errstate(all="ignore"):
        np.subtract(x, x.max(axis=dim, keepdims=True), out=room)
        time.sleep(1e-5)  # as long as a launch takes
        np.exp(room, out=room)
        return room / room.sum(axis=dim, keepdims=True)


_RINGS: dict[Any, list[Any]] = {}


def _from_ring(original: Kernel, x: Any) -> Any:
    found = original(x)
    if not found.ndim or found.dtype.kind != "f":
        return found
    ring = _RINGS.setdefault((found.shape, found.dtype), [])
    if len(ring) < 4:
        ring.append(found)
        return found
    ring.append(ring.pop(0))
    ring[-1][...] = found
    return ring[-1]


def _endless_inverse(original: Kernel, x: Any) -> Any:
    found = np.empty_like(x)
    for at in np.ndindex(x.shape[:-2]):
        try:
            found[at] = np.linalg.inv(x[at])
        except np.linalg.LinAlgError:
            found[at] = np.inf
    return found


def _counts_from_end(original: Kernel, weight: Any, index: Any, padding: Any, by_count: Any) -> Any:
    index = np.where(index < 0, index + weight.shape[0], index)
    return original(weight, index, padding, by_count)


THIRD_RESERVE = (
    fault("T01", "unfold with gaps between its windows loses the last one", "views", NoLastGap,
          "Tensor.unfold", "unfold window"),
    fault("T02", "view to a type of another size is a copy", "views", CopiesToResize,
          "Tensor.view", "dtype view alias bits"),
    fault("T03", "sub_ of one of its own rows reads it after it was written", "overlap",
          SubtractsRowByRow, "sub", "sub_ in_place overlap itself row"),
    fault("T04", "overlapping blocks of a matrix are copied row by row", "overlap",
          AssignsRowByRow, "", "overlap copy_ assign"),
    fault("T05", "nan with all bits set is rounded to a zero in bfloat16", "casts", RoundsNan,
          "", "bfloat16 nan cast"),
    fault("T06", "right shifts of negative numbers shift in zeros", "integers",
          with_kernels(bitwise_right_shift=_logical_shift), "bitwise_right_shift",
          "shift negative signed"),
    fault("T07", "asinh of large numbers overflows or cancels", "accuracy",
          with_kernels(asinh=_textbook_asinh), "asinh", "arcsinh large negative"),
    fault("T08", "nan to the power of 0 is nan", "special values", with_kernels(pow=_nan_stays),
          "pow float_power", "nan power zero"),
    fault("T09", "products over an empty dimension are not written", "special values",
          with_kernels(matmul=_nothing_written), "matmul mm bmm", "empty zero"),
    fault("T10", "the median of an even number is the upper middle", "order",
          with_kernels(median=_upper_middle), "median", "middle even lower"),
    fault("T11", "nonzero lists positions column by column", "indexing", ColumnsFirst,
          "nonzero argwhere masked_select", "mask order where"),
    fault("T12", "variances with more correction than elements are negative", "reductions",
          with_kernels(var=_negative_freedom), "var var_mean", "correction variance freedom"),
    fault("T13", "slogdet keeps the real part's sign of a complex one", "linalg",
          with_kernels(slogdet=_real_sign), "linalg.slogdet slogdet logdet",
          "complex sign determinant"),
    fault("T14", "eigh reads both triangles", "linalg",
          with_kernels(eigh=_symmetric_eigh, eigvalsh=_symmetric_eigvalsh),
          "linalg.eigh linalg.eigvalsh", "triangle UPLO hermitian"),
    fault("T15", "inverse transforms of several dimensions turn only the last", "fft",
          with_kernels(fft_backward=_last_turned), "fft.ifftn fft.ifft2", "ifft inverse fftn fft2"),
    fault("T16", "of seeds the low 32 bits count", "random", ShortKeys, "rand",
          "manual_seed seed random key large"),
    fault("T17", "views go to the other device from their memory's start", "transfer",
          FromTheStart, "", "transfer offset view slice device devices move"),
    fault("T18", "read-only arrays from elsewhere can be written to", "dlpack", WritesToAll,
          "", "from_dlpack dlpack read_only readonly read-only writable"),
    fault("T19", "the memory of a view is known by its first element", "serialization",
          KnownByFirstElement, "",
          "save load untyped_storage storage share shared alias deepcopy serialization"),
    fault("T20", "leaves keep the gradient that they are given", "gradients", KeepsWhatItGets,
          "", "backward grad gradient share own alias accumulate leaf"),
    fault("T21", "gradients of attention masks are scaled", "gradients",
          with_kernels(attention_back=_scaled_mask),
          "nn.functional.scaled_dot_product_attention", "attention mask"),
    fault("T22", "what output_padding adds is zero", "borders",
          with_kernels(convolution_input=_blank_tail),
          "nn.functional.conv_transpose1d nn.functional.conv_transpose2d "
          "nn.functional.conv1d nn.functional.conv2d",
          "conv transpose convolution output_padding"),
    fault("T23", "max_pool counts the border in its indices", "borders",
          with_kernels(max_pool_indices=_places_in_border),
          "nn.functional.max_pool1d nn.functional.max_pool2d", "pool indices padding unpool"),
    fault("T24", "gradients of weighted mean losses are divided by the count", "gradients",
          with_kernels(nll_loss_back=_mean_by_count),
          "nn.functional.nll_loss nn.functional.cross_entropy", "nll weight loss"),
    fault("T25", "fused Adam adds eps before the correction of its square", "optimizers",
          EpsilonUncorrected, "", "adam adamw eps fused step optimizer"),
    fault("T26", "softmax in several threads shares one buffer", "threads",
          with_kernels(softmax=_in_one_room), "softmax nn.functional.softmax", "thread threads"),
    fault("T27", "non-blocking copies use unpinned host memory on", "async", ReadsLater,
          "", "non_blocking async pinned host copy"),
    fault("T28", "singular matrices have an infinite inverse, and no error", "errors",
          with_kernels(inv=_endless_inverse), "linalg.inv inverse", "singular error refused"),
    fault("T29", "embedding takes negative numbers from the end", "errors",
          with_kernels(embedding=_counts_from_end), "nn.functional.embedding",
          "negative range index error"),
    fault("T30", "results of exp lie in four buffers by turns", "memory",
          with_kernels(exp=_from_ring), "exp", "memory fresh result kept overwritten"),
)  # fmt: skip
