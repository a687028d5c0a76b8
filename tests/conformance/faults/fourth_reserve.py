"""A fourth reserve: faults written before the suite's tests were read."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tensorplug.autograd import inplace
from tensorplug.backends import dtypes, strided_pool
from tensorplug.backends.layout import contiguous_strides
from tensorplug.backends.random import raw_bits

from .base import Clean, fault, put_in_place_of, with_kernels

__all__ = ["FOURTH_RESERVE"]

Kernel = Callable[..., Any]


class PermutesBack(Clean):
    def permute(self, handle: Any, dims: tuple[int, ...]) -> Any:
        return super().permute(handle, tuple(int(d) for d in np.argsort(dims)))


class CopiesToView(Clean):
    def view(self, handle: Any, shape: tuple[int, ...]) -> Any:
        return handle.reshape(shape)


class ClonesAsExpanded(Clean):
    def clone(self, handle: Any) -> Any:
        if 0 not in handle.strides or handle.size < 2:
            return super().clone(handle)
        small = handle[tuple(slice(None) if step else slice(1) for step in handle.strides)]
        return self.expand(small.copy(), handle.shape)

    def exclusive(self, handle: Any) -> Any:
        return handle.copy()


class FillsTheSpan(Clean):
    def assign(self, handle: Any, value: Any) -> None:
        gaps = handle.size and not handle.flags.c_contiguous and min(handle.strides) > 0
        if gaps and isinstance(value, (bool, int, float)):
            shape, strides, offset = self.layout(handle)
            span = 1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
            handle = self.as_strided(handle, (span,), (1,), offset)
        super().assign(handle, value)


class MagnitudeFirst(Clean):
    def __init__(self) -> None:
        super().__init__()

        def copysign(x: Any, y: Any, out: Any) -> Any:
            np.absolute(x, out=out)
            return np.copysign(out, y, out=out)

        self._into = {**self._into, "copysign": copysign}


class PutsOneByOne(Clean):
    def put(self, x: Any, values: Any, indices: tuple[Any, ...]) -> None:
        index = indices[0]
        fits = len(indices) == 1 and values.shape == (*index.shape, *x.shape[1:])
        if not fits or index.ndim != 1 or not np.may_share_memory(x, values):
            return super().put(x, values, indices)
        for at, place in enumerate(index):
            x[place] = values[at]
        return None


class SignedBytes(Clean):
    def cast(self, handle: Any, dtype: Any) -> Any:
        if handle.dtype == np.uint8 and dtype.kind == "int":
            handle = handle.view(np.int8)
        return super().cast(handle, dtype)


class NarrowNumbers(Clean):
    weak_numbers = Clean.weak_numbers - {dtypes.float64}

    def scalar(self, value: Any, dtype: Any, device: int) -> Any:
        if dtype is dtypes.float64:
            with np.errstate(all="ignore"):
                value = np.float32(value)
            return np.asarray(value, np.float64)
        return super().scalar(value, dtype, device)


class ForgetsTheRest(Clean):
    def scatter_reduce(
        self, x: Any, source: Any, dim: int, index: Any, reduce: str, include_self: bool
    ) -> Any:
        if reduce == "mean" and not include_self:
            x = np.zeros_like(x)
        return super().scatter_reduce(x, source, dim, index, reduce, include_self)


class TailFromTheStart(Clean):
    def random_bits(self, n: int, key: Any, counter: int, device: int) -> Any:
        bits, rest = raw_bits(key, counter, n), n % 4
        if n > 256 and rest:
            bits[-rest:] = bits[:rest]
        return bits


class OneDimensionAtLeast(Clean):
    def receive(self, array: Any, device: int, copy: bool) -> Any:
        found = super().receive(array, device, copy)
        return np.ascontiguousarray(found) if copy else found


class TakesRowsForGranted(Clean):
    def receive(self, array: Any, device: int, copy: bool) -> Any:
        found = super().receive(array, device, copy)
        if copy or found.flags.c_contiguous or min(found.strides) <= 0:
            return found
        size = found.itemsize
        span = sum((n - 1) * step for n, step in zip(found.shape, found.strides, strict=True))
        if span < (found.size - 1) * size:  # windows that overlap
            return found
        steps = tuple(step * size for step in contiguous_strides(found.shape))
        return np.lib.stride_tricks.as_strided(found, strides=steps)


class SizeOfTheView(Clean):
    def storage(self, handle: Any) -> Any:
        return super().storage(handle)._replace(nbytes=handle.nbytes)


class OneGenerator(Clean):
    def __init__(self) -> None:
        super().__init__()
        self._generator = np.random.Philox(key=[0, 0])

    def random_bits(self, n: int, key: Any, counter: int, device: int) -> Any:
        state = np.random.Philox(key=list(key), counter=counter).state
        self._generator.state = state
        time.sleep(1e-5)  # as long as a launch takes
        return self._generator.random_raw(n)


class CopiesAsItLies(Clean):
    def from_host_async(self, array: Any, device: int) -> Any:
        return np.array(array.ravel(order="K").reshape(array.shape))


class AddsAsItComes(Clean):
    def __init__(self) -> None:
        super().__init__()
        self._scheduler = np.random.default_rng()

    def index_add(self, x: Any, source: Any, dim: int, index: Any) -> Any:
        order = self._scheduler.permutation(len(index))
        if x.dtype.kind == "f" and x.ndim:
            source, index = np.take(source, order, axis=dim), index[order]
        return super().index_add(x, source, dim, index)


class DecayFlipped(Clean):
    def fused_steps(self) -> Mapping[str, Kernel]:
        return {"sgd": _sgd}


def _sgd(params: Any, grads: Any, states: Any, numbers: Any) -> bool:
    if any(p.dtype.kind != "f" or p.itemsize < 4 for p in params):
        return False
    momentum, decay = numbers["momentum"], numbers["weight_decay"]
    for at, (param, grad) in enumerate(zip(params, grads, strict=True)):
        step = grad + decay * param if decay else grad
        step = -step if numbers["maximize"] else step
        if momentum:
            buffer = states[0][at]
            buffer *= momentum
            buffer += (1 - numbers["dampening"]) * step
            step = step + momentum * buffer if numbers["nesterov"] else buffer
        param -= numbers["lr"] * step
    return True


def _chosen_by_product(original: Kernel, condition: Any, x: Any, y: Any) -> Any:
    dtype = getattr(x, "dtype", None) or getattr(y, "dtype", None)
    if dtype is None or dtype.kind != "f" or dtype.itemsize < 4:
        return original(condition, x, y)
    chosen = condition.astype(dtype)
    with np.errstate(all="ignore"):
        return np.add(chosen * x, (1 - chosen) * y, out=...)


def _taken_from_zero(original: Kernel, x: Any) -> Any:
    if x.dtype.kind not in "fc":
        return original(x)
    return np.subtract(x.dtype.type(0), x, out=...)


def _from_largest(original: Kernel, x: Any, dims: Any, keepdim: bool) -> Any:
    found = original(x, dims, keepdim)
    if found.dtype.kind != "f":
        return found
    return np.minimum(found, np.finfo(found.dtype).max, out=...)


def _turned_round(original: Kernel, x: Any, dim: int, descending: bool, stable: bool) -> Any:
    if not descending or not x.ndim:
        return original(x, dim, descending, stable)
    return np.flip(original(x, dim, False, True), dim)


def _upper_left_over(original: Kernel | None, x: Any) -> Any:
    return np.linalg.cholesky(x) + np.triu(x, 1)


def _last_alone(original: Kernel | None, x: Any, dims: Any, size: int) -> Any:
    if size % 2 and size > 1:
        x = x.copy()
        x[(*(slice(None),) * dims[-1], size // 2)] /= 2
    sizes = (*(x.shape[d] for d in dims[:-1]), size)
    return np.fft.irfftn(x, sizes, dims, norm="forward")


def _last_window_wins(
    original: Kernel, g: Any, x: Any, top: Any, kernel: Any, stride: Any, padding: Any,
    dilation: Any, out: Any,
) -> Any:  # fmt: skip
    pools = strided_pool.kernels(np)
    indices = pools["max_pool_indices"](x, kernel, stride, padding, dilation, out)
    return pools["max_pool_back"](g, indices, x.shape[-len(kernel) :], True)


def _first_group_for_all(
    original: Kernel, x: Any, y: Any, kernel: Any, stride: Any, padding: Any, dilation: Any,
    groups: int,
) -> Any:  # fmt: skip
    if groups > 1:
        x = np.concatenate([x[:, : x.shape[1] // groups]] * groups, axis=1)
    return original(x, y, kernel, stride, padding, dilation, groups)


def _eps_outside(original: Kernel, x: Any, weight: Any, bias: Any, dims: Any, eps: float) -> Any:
    if x.dtype.kind != "f" or x.itemsize < 4:
        return original(x, weight, bias, dims, eps)
    mean = x.mean(axis=dims, keepdims=True)
    away = x - mean
    with np.errstate(all="ignore"):
        scale = 1 / (np.sqrt((away * away).mean(axis=dims, keepdims=True)) + x.dtype.type(eps))
        out = away * scale
    out = out if weight is None else out * weight
    out = out if bias is None else out + bias
    return out.astype(x.dtype, copy=False), mean, scale


def _scores_with_mask(
    original: Kernel, q: Any, k: Any, v: Any, mask: Any, drop: Any, scale: float
) -> Any:
    if mask is not None and mask.dtype.kind != "b":
        mask = mask * mask.dtype.type(scale)
    return original(q, k, v, mask, drop, scale)


def _mean_of_all(
    original: Kernel, x: Any, target: Any, weight: Any, reduction: str, ignore: int
) -> Any:
    if reduction != "mean" or weight is not None or x.dtype.itemsize < 4:
        return original(x, target, weight, reduction, ignore)
    loss, total = original(x, target, weight, "sum", ignore)
    count = np.asarray(target.size, total.dtype)
    return np.true_divide(loss, count, out=...), count


def _running_only(original: Kernel, *args: Any) -> Any:
    out, hidden, cell, kept = original(*args)
    _, sizes, backwards = args[-3:]
    if not backwards and sizes[0] != sizes[-1]:
        hidden, cell = (None if state is None else state.copy() for state in (hidden, cell))
        for state in (hidden, cell):
            if state is not None:
                state[sizes[-1] :] = 0
    return out, hidden, cell, kept


def _writes_unnoticed(type: str) -> None:
    original = inplace.write_out

    def write_out(name: str, out: Any, result: Any) -> Any:
        version = getattr(out, "_writes", None)
        before = 0 if version is None else version[0]
        found = original(name, out, result)
        if found._device.type == type and found._writes is not None:
            found._writes[0] = before
        return found

    put_in_place_of(original, write_out)


FOURTH_RESERVE = (
    fault("U01", "permute puts dimensions where they came from", "views", PermutesBack,
          "permute movedim", "permuted permutation dims order"),
    fault("U02", "view copies where the strides do not allow a view", "views", CopiesToView,
          "Tensor.view", "view refused strides contiguous copy"),
    fault("U03", "clones of expanded tensors are expanded themselves", "memory",
          ClonesAsExpanded, "clone", "clone expand expanded contiguous"),
    fault("U04", "a number written to a column fills what lies between", "in-place",
          FillsTheSpan, "", "setitem fill column strided slice assign number"),
    fault("U05", "copysign_ of a tensor with itself loses the sign", "in-place", MagnitudeFirst,
          "copysign", "copysign_ in_place itself"),
    fault("U06", "x[index] = x[:n] reads what it has written", "overlap", PutsOneByOne, "",
          "setitem index overlap itself put index_put"),
    fault("U07", "uint8 is widened as if it had a sign", "casts", SignedBytes, "",
          "uint8 cast unsigned int16 int32 int64"),
    fault("U08", "Python numbers come to float64 by way of float32", "casts", NarrowNumbers,
          "add mul", "float64 number scalar"),
    fault("U09", "where multiplies by the condition, and lets nan through", "special values",
          with_kernels(where=_chosen_by_product), "where", "nan inf masked_fill"),
    fault("U10", "the negative of 0 is 0", "special values", with_kernels(neg=_taken_from_zero),
          "neg", "negative zero signed"),
    fault("U11", "amin starts from the largest finite number", "reductions",
          with_kernels(amin=_from_largest), "amin", "inf infinity infinite"),
    fault("U12", "stable sorts in descending order turn ties round", "order",
          with_kernels(argsort=_turned_round), "sort argsort", "stable ties equal descending"),
    fault("U13", "scatter_reduce mean without self clears what nothing comes to", "scatter",
          ForgetsTheRest, "scatter_reduce", "include_self mean scatter index_reduce"),
    fault("U14", "cholesky leaves the matrix above the diagonal", "linalg",
          with_kernels(cholesky=_upper_left_over), "linalg.cholesky cholesky",
          "triangle triangular upper"),
    fault("U15", "irfft of odd length takes the last frequency once", "fft",
          with_kernels(rfft_backward=_last_alone), "fft.irfft fft.irfftn fft.irfft2 fft.hfft",
          "irfft odd"),
    fault("U16", "the last words of long odd draws repeat the first", "random",
          TailFromTheStart, "rand randn", "random draws repeat seed odd"),
    fault("U17", "0-d tensors get a dimension on the way to the other device", "transfer",
          OneDimensionAtLeast, "", "transfer 0-d scalar shape device devices move"),
    fault("U18", "strided arrays of others are taken for contiguous", "dlpack",
          TakesRowsForGranted, "", "from_dlpack dlpack strides strided transposed"),
    fault("U19", "the memory of a view is as large as the view", "serialization",
          SizeOfTheView, "", "storage untyped_storage nbytes set_ resize_ deepcopy save load view"),
    fault("U20", "where max_pool's windows overlap, the last one's gradient stays", "gradients",
          with_kernels(max_pool_grad=_last_window_wins),
          "nn.functional.max_pool1d nn.functional.max_pool2d nn.functional.max_pool3d",
          "pool overlap gradient"),
    fault("U21", "weight gradients of grouped convolutions read the first group", "gradients",
          with_kernels(convolution_weight=_first_group_for_all),
          "nn.functional.conv1d nn.functional.conv2d", "conv convolution groups weight"),
    fault("U22", "eps is added to the standard deviation", "accuracy",
          with_kernels(standardize=_eps_outside), "nn.functional.layer_norm",
          "norm eps batch_norm group_norm instance_norm"),
    fault("U23", "attention scales numbers in the mask with the scores", "attention",
          with_kernels(attention=_scores_with_mask),
          "nn.functional.scaled_dot_product_attention", "attention mask scale"),
    fault("U24", "ignored targets count in the mean", "losses",
          with_kernels(nll_loss=_mean_of_all),
          "nn.functional.nll_loss nn.functional.cross_entropy", "nll ignore ignore_index loss"),
    fault("U25", "sequences that end early have no last state", "recurrent",
          with_kernels(recurrent=_running_only), "",
          "rnn lstm gru recurrent packed pack_padded_sequence RNN LSTM GRU sequences"),
    fault("U26", "fused SGD turns weight decay round with maximize", "optimizers", DecayFlipped,
          "", "sgd SGD maximize fused weight_decay optimizer step"),
    fault("U27", "out= overwrites saved values unnoticed", "gradients", Clean, "exp",
          "out saved version modified overwritten backward", patch=_writes_unnoticed),
    fault("U28", "threads draw from one generator's state", "threads", OneGenerator, "rand",
          "thread threads random generator"),
    fault("U29", "non-blocking copies take transposed memory as it lies", "async",
          CopiesAsItLies, "", "non_blocking async transposed host copy"),
    fault("U30", "index_add adds floats in any order, but is declared deterministic",
          "capabilities", AddsAsItComes, "index_add", "deterministic bits same repeat"),
)  # fmt: skip
