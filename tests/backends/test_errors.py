"""Our errors are PyTorch's builtins too, and carry their values."""

from __future__ import annotations

import pickle

import pytest

from tensorplug.backends import errors


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("DeviceError", RuntimeError),
        ("PluginError", errors.DeviceError),
        ("OpError", RuntimeError),
        ("OpTypeError", TypeError),
        ("OpIndexError", IndexError),
        ("OpValueError", ValueError),
        ("KernelNotFound", NotImplementedError),
    ],
)
def test_each_is_also_the_builtin(name: str, builtin: type[Exception]) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, (builtin,))
    assert issubclass(kind, errors.TensorplugError)
    error = pickle.loads(pickle.dumps(kind("text", op="add", expected=1, got=2)))
    assert (str(error), error.op, error.expected, error.got) == ("text", "add", 1, 2)


def test_plugin_error_carries_whose_it_is() -> None:
    cause = ValueError("boom")
    error = errors.PluginError(
        "text", distribution="acme", version="1", entry_point="a", phase="import", cause=cause
    )
    assert (error.distribution, error.version, error.entry_point) == ("acme", "1", "a")
    assert (error.phase, error.cause) == ("import", cause)
