"""Layers that look rows up in a table: embeddings."""

from __future__ import annotations

from typing import Any, Self

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor

from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """A table of ``num_embeddings`` rows, normally distributed at first."""

    weight: Parameter
    norm_type: float
    max_norm: float | None
    scale_grad_by_freq: bool
    sparse: bool

    def _set_up(
        self, rows: int, width: int, padding_idx: int | None, given: Tensor | None, freeze: bool,
        device: Any, dtype: Any,
    ) -> None:  # fmt: skip
        name = self._get_name()
        if padding_idx is not None and not -rows <= padding_idx < rows:
            raise ValueError(
                f"{name}: expected padding_idx within the {rows} rows, got {padding_idx}"
            )
        self.num_embeddings = rows
        self.embedding_dim = width
        self.padding_idx = None if padding_idx is None else padding_idx % rows
        if given is None:
            table = tp.empty(rows, width, device=device, dtype=dtype)
            self.weight = Parameter(table, requires_grad=not freeze)
            self.reset_parameters()
            return
        if tuple(given.shape) != (rows, width):
            raise ValueError(
                f"{name}: expected _weight of shape {(rows, width)}, got {tuple(given.shape)}"
            )
        self.weight = Parameter(given, requires_grad=not freeze)

    def reset_parameters(self) -> None:
        """Draw the table anew; the row of ``padding_idx`` becomes zeros."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with tp.no_grad():
                self.weight[self.padding_idx].fill_(0)

    def _common_repr(self) -> list[str]:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        if self.max_norm is not None:
            parts.append(f"max_norm={self.max_norm}")
        if self.norm_type != 2:
            parts.append(f"norm_type={self.norm_type}")
        if self.scale_grad_by_freq:
            parts.append(f"scale_grad_by_freq={self.scale_grad_by_freq}")
        return parts

    @staticmethod
    def _check_table(name: str, embeddings: Tensor) -> tuple[int, int]:
        if embeddings.dim() != 2:
            raise ValueError(
                f"{name}.from_pretrained: expected a table of 2 dimensions, "
                f"got shape {tuple(embeddings.shape)}"
            )
        return embeddings.shape[0], embeddings.shape[1]


class Embedding(_Table):
    """Rows of a learned table, by number: integers ``(*)`` to ``(*, embedding_dim)``.

    Args:
        num_embeddings: how many rows.
        embedding_dim: how wide they are.
        padding_idx: a row of zeros that gets no gradient.
        max_norm: rows that are looked up and longer than this are first scaled down, in place.
        norm_type: which norm ``max_norm`` means.
        scale_grad_by_freq: divide gradients by how often a row is looked up.
        sparse: accepted for compatibility.
        device, dtype: of the table.

    Raises:
        ValueError: ``padding_idx`` is no row.

    Differs from torch: gradients are dense, whatever ``sparse`` says.

    Example:
        >>> tp.nn.Embedding(10, 3)(tp.tensor([[1, 2], [4, 9]])).shape
        tensorplug.Size([2, 2, 3])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        self._set_up(num_embeddings, embedding_dim, padding_idx, _weight, _freeze, device, dtype)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """A layer over a given table of shape ``(rows, width)``, which it shares.

        Args:
            embeddings: the table.
            freeze: whether it is kept as it is, without gradients.
            padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse: as for the class.
        """
        rows, width = cls._check_table(cls.__name__, embeddings)
        return cls(
            rows, width, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse,
            embeddings, freeze,
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type,
            self.scale_grad_by_freq, self.sparse,
        )  # fmt: skip

    def extra_repr(self) -> str:
        parts = self._common_repr()
        if self.padding_idx is not None:
            parts.insert(1, f"padding_idx={self.padding_idx}")
        if self.sparse:
            parts.append("sparse=True")
        return ", ".join(parts)


class EmbeddingBag(_Table):
    """Sums, means or maxima of bags of rows of a learned table.

    Args:
        num_embeddings, embedding_dim, max_norm, norm_type, scale_grad_by_freq, sparse: as for
            :class:`Embedding`.
        mode: "sum", "mean" or "max".
        include_last_offset: ``offsets`` has one number more, the total.
        padding_idx: a row that no bag counts.
        device, dtype: of the table.

    Raises:
        ValueError: ``padding_idx`` is no row.

    Differs from torch: gradients are dense, whatever ``sparse`` says.

    Example:
        >>> bag = tp.nn.EmbeddingBag(10, 3, mode="sum")
        >>> bag(tp.tensor([1, 2, 4, 5]), tp.tensor([0, 3])).shape
        tensorplug.Size([2, 3])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset
        self._set_up(num_embeddings, embedding_dim, padding_idx, _weight, False, device, dtype)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Self:
        """A layer over a given table; arguments as for :meth:`Embedding.from_pretrained`."""
        rows, width = cls._check_table(cls.__name__, embeddings)
        bag = cls(
            rows, width, max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings,
            include_last_offset, padding_idx,
        )  # fmt: skip
        bag.weight.requires_grad_(not freeze)
        return bag

    def forward(
        self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None
    ) -> Tensor:
        """One row per bag, shape ``(bags, embedding_dim)``.

        Args:
            input: row numbers: ``(bags, size)``; or all bags one after the other, with offsets.
            offsets: where in ``input`` each bag starts.
            per_sample_weights: a factor for each row that is looked up, for mode "sum".
        """
        return F.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq,
            self.mode, self.sparse, per_sample_weights, self.include_last_offset, self.padding_idx,
        )  # fmt: skip

    def extra_repr(self) -> str:
        parts = [*self._common_repr(), f"mode={self.mode!r}"]
        if self.padding_idx is not None:
            parts.append(f"padding_idx={self.padding_idx}")
        return ", ".join(parts)
