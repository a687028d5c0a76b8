"""Small programs for any library with PyTorch's names: what was recorded, and what is repeated.

Each function takes the library (``torch`` or ``tensorplug``) and a device, and gives float64 NumPy
arrays by name. ``tests/parity/record.py`` runs them with PyTorch and writes the results down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

__all__ = ["LAYERS", "OPTIMIZERS", "TRAININGS", "layer", "optimizer", "training"]

KEPT = (1, 2, 5, 10, 25, 50)
"""The steps whose parameters are compared."""

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd-momentum": ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}),
    "sgd-dampening": ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3}),
    "sgd-nesterov": ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    "sgd-maximize": ("SGD", {"lr": 0.01, "momentum": 0.5, "maximize": True}),
    "sgd-maximize-decay": ("SGD", {"lr": 0.01, "weight_decay": 0.3, "maximize": True}),
    "sgd-all": ("SGD", {"lr": 0.01, "momentum": 0.5, "nesterov": True, "weight_decay": 0.3,
                        "maximize": True}),
    "adam": ("Adam", {"lr": 0.05}),
    "adam-all": ("Adam", {"lr": 0.02, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
    "adamw-maximize": ("AdamW", {"lr": 0.02, "weight_decay": 0.3, "maximize": True}),
    "adam-decay": ("Adam", {"lr": 0.05, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    "adam-amsgrad": ("Adam", {"lr": 0.05, "amsgrad": True}),
    "adamw": ("AdamW", {"lr": 0.05, "weight_decay": 0.2}),
    "adamw-amsgrad": ("AdamW", {"lr": 0.05, "amsgrad": True, "betas": (0.8, 0.95)}),
    "adamax": ("Adamax", {"lr": 0.05, "weight_decay": 0.1}),
    "nadam": ("NAdam", {"lr": 0.05, "weight_decay": 0.1}),
    "radam": ("RAdam", {"lr": 0.05, "weight_decay": 0.1}),
    "adagrad": ("Adagrad", {"lr": 0.2, "lr_decay": 0.1, "weight_decay": 0.1}),
    "adadelta": ("Adadelta", {"lr": 0.5, "rho": 0.5, "eps": 1e-3}),
    "rmsprop": ("RMSprop", {"lr": 0.02, "alpha": 0.9, "weight_decay": 0.1}),
    "rmsprop-centered": ("RMSprop", {"lr": 0.02, "momentum": 0.5, "centered": True}),
    "rprop": ("Rprop", {"lr": 0.02, "etas": (0.5, 1.2)}),
    "asgd": ("ASGD", {"lr": 0.05, "lambd": 0.01, "t0": 10}),
    "adafactor": ("Adafactor", {"lr": 0.05, "weight_decay": 0.1}),
    "lbfgs": ("LBFGS", {"lr": 0.3, "max_iter": 3, "history_size": 5}),
}  # fmt: skip

SHAPES = [(3, 4), (5,), (), (2, 1, 3)]


def wave(shape: tuple[int, ...], phase: float) -> np.ndarray:
    """Values between -1 and 1 that no two parameters share."""
    count = math.prod(shape)
    return np.sin(phase + 1.7 * np.arange(count) + 0.3).reshape(shape)


def _tensor(lib: Any, values: np.ndarray, device: Any) -> Any:
    kind = lib.int64 if values.dtype.kind == "i" else lib.float64
    return lib.tensor(values.tolist(), dtype=kind, device=device).reshape(values.shape)


def _numbers(x: Any) -> np.ndarray:
    return np.array(x.detach().cpu().tolist(), dtype=np.float64)


def optimizer(lib: Any, name: str, device: Any = None) -> dict[str, np.ndarray]:
    """Fifty steps of one optimizer over four parameters; one of them misses a gradient once."""
    kind, settings = OPTIMIZERS[name]
    params = [_tensor(lib, wave(shape, i), device).requires_grad_() for i, shape in
              enumerate(SHAPES)]  # fmt: skip
    goals = [_tensor(lib, wave(shape, i + 40), device) for i, shape in enumerate(SHAPES)]
    stepper = getattr(lib.optim, kind)(params, **settings)

    def loss() -> Any:
        stepper.zero_grad()
        parts = [((p - g) ** 2 * (1 + i)).sum() + (p * 2).sin().sum() * 0.2
                 for i, (p, g) in enumerate(zip(params, goals, strict=True))]  # fmt: skip
        total = parts[0] + parts[1] + parts[2] + parts[3] + (params[1].sum() * params[2]) * 0.3
        total.backward()
        return total

    kept = {}
    for step in range(1, KEPT[-1] + 1):
        if kind == "LBFGS":
            stepper.step(loss)
        else:
            loss()
            if step == 3:
                params[3].grad = None
            stepper.step()
        if step in KEPT:
            flat = [_numbers(p).reshape(-1) for p in params]
            kept[f"optim/{name}/{step}"] = np.concatenate(flat)
    return kept


# --- layers --------------------------------------------------------------------------------------

Layer = tuple[str, tuple[Any, ...], dict[str, Any], list[Any]]


def _x(*shape: int) -> np.ndarray:
    return wave(shape, 0.5) * 1.5


def _i(values: Any) -> np.ndarray:
    return np.array(values, np.int64)


LABELS = _i([[0, 2, 1], [3, 3, 0]])

LAYERS: dict[str, Layer] = {
    "Linear": ("Linear", (5, 3), {}, [_x(4, 5)]),
    "Bilinear": ("Bilinear", (3, 4, 2), {}, [_x(2, 3), _x(2, 4)]),
    "Conv1d": ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 2, "dilation": 2, "groups": 2},
               [_x(2, 4, 9)]),
    "Conv2d": ("Conv2d", (2, 3, (3, 2)), {"stride": (2, 1), "padding": (1, 0)}, [_x(2, 2, 6, 5)]),
    "Conv2d-depthwise": ("Conv2d", (4, 8, 3), {"groups": 4, "padding": "same"}, [_x(1, 4, 5, 4)]),
    "Conv3d": ("Conv3d", (2, 2, 2), {"padding": 1}, [_x(1, 2, 3, 3, 2)]),
    "ConvTranspose1d": ("ConvTranspose1d", (2, 3, 3), {"stride": 2, "dilation": 2}, [_x(2, 2, 4)]),
    "ConvTranspose2d": ("ConvTranspose2d", (4, 2, 3),
                        {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2},
                        [_x(2, 4, 3, 4)]),
    "BatchNorm1d": ("BatchNorm1d", (3,), {"momentum": 0.3}, [_x(6, 3)]),
    "BatchNorm2d": ("BatchNorm2d", (3,), {"eps": 1e-3}, [_x(2, 3, 2, 4)]),
    "BatchNorm1d-eval": ("BatchNorm1d", (3,), {}, [_x(6, 3)]),
    "LayerNorm": ("LayerNorm", ((3, 4),), {"eps": 1e-3}, [_x(2, 3, 4)]),
    "GroupNorm": ("GroupNorm", (2, 4), {}, [_x(2, 4, 3)]),
    "InstanceNorm2d": ("InstanceNorm2d", (2,), {"affine": True}, [_x(2, 2, 3, 3)]),
    "RMSNorm": ("RMSNorm", (5,), {"eps": 1e-3}, [_x(3, 5)]),
    "Embedding": ("Embedding", (6, 3), {"padding_idx": 2}, [_i([[0, 2, 5], [5, 5, 1]])]),
    "EmbeddingBag": ("EmbeddingBag", (6, 3), {"mode": "mean"}, [_i([[0, 2, 5], [5, 5, 1]])]),
    "RNN": ("RNN", (3, 4), {"nonlinearity": "relu"}, [_x(5, 2, 3)]),
    "RNN-tanh": ("RNN", (3, 4), {"bidirectional": True}, [_x(5, 2, 3)]),
    "RNN-no-bias": ("RNN", (3, 4), {"bias": False, "num_layers": 2}, [_x(5, 2, 3)]),
    "LSTM": ("LSTM", (3, 4), {"num_layers": 2, "bidirectional": True}, [_x(4, 2, 3)]),
    "LSTM-projected": ("LSTM", (3, 4), {"proj_size": 2, "batch_first": True}, [_x(2, 4, 3)]),
    "GRU": ("GRU", (3, 4), {"num_layers": 2, "batch_first": True}, [_x(2, 5, 3)]),
    "LSTM-no-bias": ("LSTM", (3, 4), {"bias": False}, [_x(4, 2, 3)]),
    "GRU-no-bias": ("GRU", (3, 4), {"bias": False, "bidirectional": True}, [_x(5, 2, 3)]),
    "MultiheadAttention": ("MultiheadAttention", (6, 2), {"batch_first": True}, [_x(2, 3, 6)] * 3),
    "TransformerEncoderLayer": ("TransformerEncoderLayer", (4, 2, 6), {"dropout": 0.0},
                                [_x(3, 2, 4)]),
    "MaxPool2d": ("MaxPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True},
                  [_x(2, 2, 6, 5) - 3]),
    "MaxPool1d-dilated": ("MaxPool1d", (2,), {"stride": 1, "dilation": 3}, [_x(2, 2, 8)]),
    "AvgPool2d": ("AvgPool2d", (3,), {"stride": 2, "padding": 1, "count_include_pad": False},
                  [_x(2, 2, 6, 5)]),
    "AvgPool1d": ("AvgPool1d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}, [_x(2, 2, 8)]),
    "AdaptiveAvgPool2d": ("AdaptiveAvgPool2d", ((3, 2),), {}, [_x(2, 2, 7, 5)]),
    "AdaptiveMaxPool2d": ("AdaptiveMaxPool2d", ((2, 3),), {}, [_x(2, 2, 5, 7)]),
    "Upsample": ("Upsample", (), {"scale_factor": 2, "mode": "bilinear"}, [_x(1, 2, 3, 4)]),
    "Upsample-nearest": ("Upsample", (), {"size": (5, 7)}, [_x(1, 2, 3, 4)]),
    "Fold": ("Fold", ((4, 5), 2), {}, [_x(2, 12, 12)]),
    "PReLU": ("PReLU", (3,), {}, [_x(2, 3, 4)]),
    "GELU": ("GELU", (), {"approximate": "tanh"}, [_x(3, 4)]),
    "Softmax": ("Softmax", (1,), {}, [_x(2, 3, 4)]),
    "CrossEntropyLoss": ("CrossEntropyLoss", (), {"label_smoothing": 0.1, "ignore_index": 3},
                         [_x(2, 4, 3), LABELS]),
    "NLLLoss": ("NLLLoss", (), {"reduction": "sum"}, [_x(2, 4, 3), LABELS]),
    "BCEWithLogitsLoss": ("BCEWithLogitsLoss", (), {}, [_x(3, 4), (_x(3, 4) + 2) / 4]),
    "KLDivLoss": ("KLDivLoss", (), {"reduction": "batchmean"}, [_x(3, 4), (_x(3, 4) + 2) / 4]),
    "SmoothL1Loss": ("SmoothL1Loss", (), {"beta": 0.5}, [_x(3, 4), _x(4, 3).reshape(3, 4)[::-1]]),
    "TripletMarginLoss": ("TripletMarginLoss", (), {}, [_x(3, 4), -_x(3, 4), _x(3, 4)[::-1]]),
}  # fmt: skip


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, (tuple, list)):
        for item in value:
            yield from _flat(item)
    elif value is not None:
        yield value


def layer(lib: Any, name: str, device: Any = None) -> dict[str, np.ndarray]:
    """A layer's results, buffers, and gradients with respect to its parameters and inputs."""
    kind, args, settings, given = LAYERS[name]
    module = getattr(lib.nn, kind)(*args, **settings).to(lib.float64)
    module = module.to(device) if device is not None else module
    with lib.no_grad():
        for i, (_, parameter) in enumerate(sorted(module.named_parameters())):
            values = wave(tuple(parameter.shape), 3.0 * i) * 0.7
            parameter.copy_(_tensor(lib, values, device))
    module.train(not name.endswith("-eval"))
    inputs = [_tensor(lib, np.ascontiguousarray(x), device) for x in given]
    loose = [x.requires_grad_() for x in inputs if x.is_floating_point()]
    outs = [out for out in _flat(module(*inputs)) if out.is_floating_point()]
    seeds = [_tensor(lib, wave(tuple(out.shape), 9.0 + i), device) for i, out in enumerate(outs)]
    total = sum((out * seed).sum() for out, seed in zip(outs, seeds, strict=True))
    total.backward()
    found = {f"out{i}": out for i, out in enumerate(outs)}
    found |= {f"d-input{i}": x.grad for i, x in enumerate(loose)}
    found |= {f"d-{key}": p.grad for key, p in sorted(module.named_parameters())}
    found |= {f"buffer-{key}": b for key, b in sorted(module.named_buffers())}
    return {f"nn/{name}/{key}": _numbers(x) for key, x in found.items() if x is not None}


# --- training ------------------------------------------------------------------------------------


def _mlp(nn: Any) -> Any:
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.LayerNorm(8), nn.Linear(8, 3))


def _convolutions(nn: Any) -> Any:
    return nn.Sequential(
        nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 4, 2, padding=1), nn.BatchNorm2d(4), nn.GELU(),
        nn.AvgPool2d(2, padding=1), nn.Flatten(), nn.Linear(24, 3),
    )  # fmt: skip


Make = Callable[[Any], Any]
TRAININGS: dict[str, tuple[Make, str, dict[str, Any]]] = {
    "mlp-adam": (_mlp, "Adam", {"lr": 0.01}),
    "mlp-sgd": (_mlp, "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "convolutions-adamw": (_convolutions, "AdamW", {"lr": 0.01}),
    "convolutions-rmsprop": (_convolutions, "RMSprop", {"lr": 0.003}),
}


def training(lib: Any, name: str, device: Any = None) -> dict[str, np.ndarray]:
    """The losses of fifty steps, with a rate that falls in between."""
    make, kind, settings = TRAININGS[name]
    model = make(lib.nn).to(lib.float64)
    model = model.to(device) if device is not None else model
    with lib.no_grad():
        for i, (_, parameter) in enumerate(sorted(model.named_parameters())):
            values = wave(tuple(parameter.shape), 3.0 * i) * 0.5
            parameter.copy_(_tensor(lib, values, device))
    inputs = wave((24, 6), 0.1) + wave((24, 6), 2.2) ** 2
    labels = (inputs[:, 0] > inputs[:, 1]).astype(np.int64) + (inputs[:, 2] > 0.3)
    x, y = _tensor(lib, inputs, device), _tensor(lib, labels, device)
    stepper = getattr(lib.optim, kind)(model.parameters(), **settings)
    schedule = lib.optim.lr_scheduler.StepLR(stepper, 20, 0.5)
    criterion, losses = lib.nn.CrossEntropyLoss(), []
    for _ in range(50):
        stepper.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        stepper.step()
        schedule.step()
        losses.append(loss)
    return {f"training/{name}": np.array([loss.item() for loss in losses])}
