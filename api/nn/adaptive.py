"""The adaptive softmax: a cheaper softmax for many classes of very different frequency."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from . import functional as F
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _ASMoutput(NamedTuple):
    """The log-probability of each sample's class, and minus its mean."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-softmax and negative log-likelihood for many classes, sorted by frequency.

    The head gives the scores of the most frequent classes and of clusters of the others; each
    cluster has scores of its own, worked out only for samples that belong to it, from fewer
    features. Of Grave et al., *Efficient softmax approximation for GPUs* (2017).

    Args:
        in_features: size of the input's last dimension.
        n_classes: how many classes, 0 the most frequent one.
        cutoffs: the first class of each cluster, rising.
        div_value: each cluster has ``div_value`` times fewer features than the one before.
        head_bias: whether the head has a bias.
        device, dtype: of the parameters.

    Raises:
        ValueError: ``cutoffs`` are not rising numbers between 1 and ``n_classes - 1``.

    Example:
        >>> layer = tp.nn.AdaptiveLogSoftmaxWithLoss(8, 100, [10, 50])
        >>> output, loss = layer(tp.randn(3, 8), tp.tensor([0, 20, 99]))
        >>> output.shape, loss.shape
        (tensorplug.Size([3]), tensorplug.Size([]))
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given = list(cutoffs)
        rising = all(low < high for low, high in pairwise(given))
        if not given or not rising or not 0 < given[0] <= given[-1] <= n_classes - 1:
            raise ValueError(
                "AdaptiveLogSoftmaxWithLoss: expected cutoffs that rise between 1 and "
                f"{n_classes - 1}, got {given}"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*given, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            width = int(in_features // div_value ** (i + 1))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(
                    Linear(in_features, width, False, device, dtype),
                    Linear(width, size, False, device, dtype),
                )
            )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for module in self.modules():
            if isinstance(module, Linear):
                module.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        """The log-probabilities of the classes ``target_``, and the mean loss.

        Args:
            input_: shape ``(N, in_features)`` or ``(in_features,)``.
            target_: class numbers, shape ``(N,)`` or ``()``.

        Raises:
            RuntimeError: the shapes do not fit, or a target is no class.
        """
        self._check(input_, target_)
        alone = target_.dim() == 0
        x, target = (input_.unsqueeze(0), target_.unsqueeze(0)) if alone else (input_, target_)
        head = F.log_softmax(self.head(x), 1)
        # The column of the head: the class itself, or its cluster.
        column, output = target, None
        for i, part in enumerate(self.tail):
            low, high = self.cutoffs[i], self.cutoffs[i + 1]
            rows = ((target >= low) & (target < high)).nonzero().squeeze(1)
            if not rows.numel():
                continue
            column = column.index_fill(0, rows, self.shortlist_size + i)
            scores = F.log_softmax(part(x.index_select(0, rows)), 1)
            inside = target.index_select(0, rows).unsqueeze(1) - low
            found = scores.gather(1, inside).squeeze(1)
            whole = tp.zeros_like(head[:, 0]).index_copy(0, rows, found)
            output = whole if output is None else output + whole
        chosen = head.gather(1, column.unsqueeze(1)).squeeze(1)
        output = chosen if output is None else output + chosen
        return _ASMoutput(output.squeeze(0) if alone else output, -output.mean())

    def _check(self, input: Tensor, target: Tensor) -> None:
        name, shape, classes = "AdaptiveLogSoftmaxWithLoss", tuple(input.shape), tuple(target.shape)
        if len(classes) > 1 or shape != (*classes, self.in_features):
            raise RuntimeError(
                f"{name}: expected input and target of shapes (N, {self.in_features}) and (N,), or "
                f"({self.in_features},) and (), got {shape} and {classes}"
            )
        if target.numel():
            low, high = int(target.min()), int(target.max())
            if low < 0 or high >= self.n_classes:
                raise RuntimeError(
                    f"{name}: expected targets from 0 to {self.n_classes - 1}, got "
                    f"{low if low < 0 else high}"
                )

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes, ``(N, in_features)`` to ``(N, n_classes)``."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, part in enumerate(self.tail):
            column = head[:, self.shortlist_size + i].unsqueeze(1)
            parts.append(F.log_softmax(part(input), 1) + column)
        return tp.cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most likely class of each sample, shape ``(N,)``."""
        return self.log_prob(input).argmax(1)
