"""Which functions autocast casts the arguments of, and to what: PyTorch's documented lists.

https://docs.pytorch.org/docs/2.13/amp.html has one list for the CPU and one for accelerators.
"""

from __future__ import annotations

__all__ = ["ACCELERATOR", "CPU", "NAMES", "policy_of"]


# What becomes of float16, bfloat16 and float32 arguments: "lower", all become the autocast dtype;
# "float32"; "widest", the widest among them; "refused", the call is an error; "alone", they stay as
# they are also in the functions on the list that this one is made of.
def _table(**rows: str) -> dict[str, str]:
    return {name: policy for policy, names in rows.items() for name in names.split()}


def _in(namespace: str, names: str) -> str:
    return " ".join(f"{namespace}.{name}" for name in names.split())


_PRODUCTS = "addbmm addmm baddbmm bmm linalg.matmul linalg.vecdot matmul mm " + _in(
    "nn.functional",
    """conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linear prelu
    scaled_dot_product_attention""",
)
_PRODUCTS += " recurrent"  # the op inside of nn.RNN, nn.LSTM and nn.GRU
_LOSSES = _in(
    "nn.functional",
    """binary_cross_entropy_with_logits cosine_embedding_loss cross_entropy hinge_embedding_loss
    huber_loss kl_div l1_loss margin_ranking_loss mse_loss multi_margin_loss multilabel_margin_loss
    nll_loss poisson_nll_loss smooth_l1_loss soft_margin_loss triplet_margin_loss""",
)

CPU = _table(
    lower=f"{_PRODUCTS} einsum",
    float32=" ".join(
        (
            _LOSSES,
            "cdist cholesky cholesky_inverse cholesky_solve geqrf inverse lu lu_solve nanquantile",
            "orgqr ormqr pinverse polar prod qr quantile stft svd trace triangular_solve",
            "view_as_complex",
            _in(
                "nn.functional",
                """adaptive_avg_pool3d adaptive_max_pool3d adaptive_max_pool3d_with_indices
                avg_pool3d binary_cross_entropy ctc_loss fractional_max_pool2d fractional_max_pool3d
                grid_sample max_pool3d max_pool3d_with_indices max_unpool2d max_unpool3d pad""",
            ),
            _in(
                "fft",
                "fft fft2 fftn hfft ifft ifft2 ifftn ihfft irfft irfft2 irfftn rfft rfft2 rfftn",
            ),
            _in(
                "linalg",
                """cholesky cholesky_ex cond eig eigh eigvals eigvalsh householder_product inv
                inv_ex lstsq matrix_rank qr solve svd svdvals tensorinv tensorsolve""",
            ),
        )
    ),
    widest="cat index_copy stack",
    alone="addmv dot mv nn.functional.bilinear vdot",
)

ACCELERATOR = _table(
    lower=f"{_PRODUCTS} addmv addr chain_matmul einsum linalg.multi_dot mv",
    float32=" ".join(
        (
            _LOSSES,
            "acos asin cdist cosh cumprod cumsum dist erfinv exp expm1 log log10 log1p log2",
            "log_softmax logsumexp norm pow prod reciprocal renorm rsqrt sinh softmax sum tan",
            "special.erfinv special.expm1 special.log1p special.log_softmax special.logsumexp",
            "special.softmax linalg.matrix_norm linalg.norm linalg.vector_norm",
            _in(
                "nn.functional",
                """cosine_similarity group_norm interpolate layer_norm log_softmax pdist rms_norm
                softmax softplus upsample""",
            ),
        )
    ),
    widest="""addcdiv addcmul atan2 cat cross dot index_put nn.functional.bilinear
    nn.functional.grid_sample scatter_add stack tensordot vdot""",
    refused="nn.functional.binary_cross_entropy",
)

NAMES = sorted(CPU.keys() | ACCELERATOR.keys())


def policy_of(device_type: str, name: str) -> str | None:
    """What a device does with the arguments of a function; None leaves them as they are."""
    return (CPU if device_type == "cpu" else ACCELERATOR).get(name)
