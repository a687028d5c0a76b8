"""The functions behind the layers, with PyTorch names: ``tensorplug.nn.functional as F``."""

from __future__ import annotations

from ._functional.activation import celu as celu
from ._functional.activation import elu as elu
from ._functional.activation import gelu as gelu
from ._functional.activation import glu as glu
from ._functional.activation import hardshrink as hardshrink
from ._functional.activation import hardsigmoid as hardsigmoid
from ._functional.activation import hardswish as hardswish
from ._functional.activation import hardtanh as hardtanh
from ._functional.activation import leaky_relu as leaky_relu
from ._functional.activation import logsigmoid as logsigmoid
from ._functional.activation import mish as mish
from ._functional.activation import prelu as prelu
from ._functional.activation import relu as relu
from ._functional.activation import relu6 as relu6
from ._functional.activation import rrelu as rrelu
from ._functional.activation import selu as selu
from ._functional.activation import silu as silu
from ._functional.activation import softplus as softplus
from ._functional.activation import softshrink as softshrink
from ._functional.activation import softsign as softsign
from ._functional.activation import tanhshrink as tanhshrink
from ._functional.activation import threshold as threshold
from ._functional.adaptive import adaptive_avg_pool1d as adaptive_avg_pool1d
from ._functional.adaptive import adaptive_avg_pool2d as adaptive_avg_pool2d
from ._functional.adaptive import adaptive_avg_pool3d as adaptive_avg_pool3d
from ._functional.adaptive import adaptive_max_pool1d as adaptive_max_pool1d
from ._functional.adaptive import (
    adaptive_max_pool1d_with_indices as adaptive_max_pool1d_with_indices,
)
from ._functional.adaptive import adaptive_max_pool2d as adaptive_max_pool2d
from ._functional.adaptive import (
    adaptive_max_pool2d_with_indices as adaptive_max_pool2d_with_indices,
)
from ._functional.adaptive import adaptive_max_pool3d as adaptive_max_pool3d
from ._functional.adaptive import (
    adaptive_max_pool3d_with_indices as adaptive_max_pool3d_with_indices,
)
from ._functional.adaptive import lp_pool1d as lp_pool1d
from ._functional.adaptive import lp_pool2d as lp_pool2d
from ._functional.adaptive import lp_pool3d as lp_pool3d
from ._functional.attention import gumbel_softmax as gumbel_softmax
from ._functional.attention import log_softmax as log_softmax
from ._functional.attention import scaled_dot_product_attention as scaled_dot_product_attention
from ._functional.attention import sigmoid as sigmoid
from ._functional.attention import softmax as softmax
from ._functional.attention import tanh as tanh
from ._functional.bags import embedding_bag as embedding_bag
from ._functional.conv import conv1d as conv1d
from ._functional.conv import conv2d as conv2d
from ._functional.conv import conv3d as conv3d
from ._functional.conv import conv_transpose1d as conv_transpose1d
from ._functional.conv import conv_transpose2d as conv_transpose2d
from ._functional.conv import conv_transpose3d as conv_transpose3d
from ._functional.ctc import ctc_loss as ctc_loss
from ._functional.distance import cosine_embedding_loss as cosine_embedding_loss
from ._functional.distance import cosine_similarity as cosine_similarity
from ._functional.distance import pairwise_distance as pairwise_distance
from ._functional.distance import pdist as pdist
from ._functional.dropout import alpha_dropout as alpha_dropout
from ._functional.dropout import dropout as dropout
from ._functional.dropout import dropout1d as dropout1d
from ._functional.dropout import dropout2d as dropout2d
from ._functional.dropout import dropout3d as dropout3d
from ._functional.dropout import feature_alpha_dropout as feature_alpha_dropout
from ._functional.fractional import fractional_max_pool2d as fractional_max_pool2d
from ._functional.fractional import (
    fractional_max_pool2d_with_indices as fractional_max_pool2d_with_indices,
)
from ._functional.fractional import fractional_max_pool3d as fractional_max_pool3d
from ._functional.fractional import (
    fractional_max_pool3d_with_indices as fractional_max_pool3d_with_indices,
)
from ._functional.inplace import celu_ as celu_
from ._functional.inplace import elu_ as elu_
from ._functional.inplace import hardtanh_ as hardtanh_
from ._functional.inplace import leaky_relu_ as leaky_relu_
from ._functional.inplace import relu_ as relu_
from ._functional.inplace import rrelu_ as rrelu_
from ._functional.inplace import selu_ as selu_
from ._functional.inplace import threshold_ as threshold_
from ._functional.linear import bilinear as bilinear
from ._functional.linear import embedding as embedding
from ._functional.linear import linear as linear
from ._functional.linear import linear_cross_entropy as linear_cross_entropy
from ._functional.linear import one_hot as one_hot
from ._functional.loss import binary_cross_entropy as binary_cross_entropy
from ._functional.loss import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from ._functional.loss import cross_entropy as cross_entropy
from ._functional.loss import kl_div as kl_div
from ._functional.loss import nll_loss as nll_loss
from ._functional.loss import softmin as softmin
from ._functional.margins import multi_margin_loss as multi_margin_loss
from ._functional.margins import multilabel_margin_loss as multilabel_margin_loss
from ._functional.margins import multilabel_soft_margin_loss as multilabel_soft_margin_loss
from ._functional.multihead import multi_head_attention_forward as multi_head_attention_forward
from ._functional.norm import batch_norm as batch_norm
from ._functional.norm import group_norm as group_norm
from ._functional.norm import instance_norm as instance_norm
from ._functional.norm import layer_norm as layer_norm
from ._functional.norm import local_response_norm as local_response_norm
from ._functional.norm import normalize as normalize
from ._functional.norm import rms_norm as rms_norm
from ._functional.pool import avg_pool1d as avg_pool1d
from ._functional.pool import avg_pool2d as avg_pool2d
from ._functional.pool import avg_pool3d as avg_pool3d
from ._functional.pool import max_pool1d as max_pool1d
from ._functional.pool import max_pool1d_with_indices as max_pool1d_with_indices
from ._functional.pool import max_pool2d as max_pool2d
from ._functional.pool import max_pool2d_with_indices as max_pool2d_with_indices
from ._functional.pool import max_pool3d as max_pool3d
from ._functional.pool import max_pool3d_with_indices as max_pool3d_with_indices
from ._functional.pool import max_unpool1d as max_unpool1d
from ._functional.pool import max_unpool2d as max_unpool2d
from ._functional.pool import max_unpool3d as max_unpool3d
from ._functional.regression import gaussian_nll_loss as gaussian_nll_loss
from ._functional.regression import hinge_embedding_loss as hinge_embedding_loss
from ._functional.regression import huber_loss as huber_loss
from ._functional.regression import l1_loss as l1_loss
from ._functional.regression import margin_ranking_loss as margin_ranking_loss
from ._functional.regression import mse_loss as mse_loss
from ._functional.regression import poisson_nll_loss as poisson_nll_loss
from ._functional.regression import smooth_l1_loss as smooth_l1_loss
from ._functional.regression import soft_margin_loss as soft_margin_loss
from ._functional.regression import triplet_margin_loss as triplet_margin_loss
from ._functional.regression import (
    triplet_margin_with_distance_loss as triplet_margin_with_distance_loss,
)
from ._functional.resize import interpolate as interpolate
from ._functional.resize import upsample as upsample
from ._functional.resize import upsample_bilinear as upsample_bilinear
from ._functional.resize import upsample_nearest as upsample_nearest
from ._functional.sampling import affine_grid as affine_grid
from ._functional.sampling import grid_sample as grid_sample
from ._functional.vision import channel_shuffle as channel_shuffle
from ._functional.vision import pad as pad
from ._functional.vision import pixel_shuffle as pixel_shuffle
from ._functional.vision import pixel_unshuffle as pixel_unshuffle
from ._functional.windows import fold as fold
from ._functional.windows import unfold as unfold
