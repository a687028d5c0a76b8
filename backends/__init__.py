"""The contract between the engine and array libraries: what a plugin's author imports.

Example:
    A plugin is a module with one hook, found through an entry point in the group
    ``tensorplug.devices`` that is called like the device type::

        from tensorplug.backends import BackendSpec, hookimpl

        @hookimpl
        def tensorplug_backends():
            return [BackendSpec("acme", "acme_plugin.backend:AcmeBackend", requires="acme")]
"""

from .array_api import ArrayAPIBackend
from .base import Backend, Handle, Kernel, Layout, StorageInfo
from .capabilities import CAPABILITIES, DEFAULT_CAPABILITIES, Capability
from .device import Device, for_array, get_default_device, set_default_device
from .dtypes import DType
from .errors import (
    CapabilityError,
    DeviceError,
    KernelNotFound,
    OpBufferError,
    OpError,
    OpIndexError,
    OpTypeError,
    OpValueError,
    OutOfMemoryError,
    PluginError,
    TensorplugError,
)
from .fallback import allow_fallback, fallbacks
from .hookspecs import API_VERSION, BackendSpec, hookimpl
from .listing import DeviceInfo, devices
from .plugging import isolated, plugins, provider, register, resolve, unregister
from .streams import Event, Stream
from .strided import StridedBackend

__all__ = [
    "API_VERSION",
    "CAPABILITIES",
    "DEFAULT_CAPABILITIES",
    "ArrayAPIBackend",
    "Backend",
    "BackendSpec",
    "Capability",
    "CapabilityError",
    "DType",
    "Device",
    "DeviceError",
    "DeviceInfo",
    "Event",
    "Handle",
    "Kernel",
    "KernelNotFound",
    "Layout",
    "OpBufferError",
    "OpError",
    "OpIndexError",
    "OpTypeError",
    "OpValueError",
    "OutOfMemoryError",
    "PluginError",
    "StorageInfo",
    "Stream",
    "StridedBackend",
    "TensorplugError",
    "allow_fallback",
    "devices",
    "fallbacks",
    "for_array",
    "get_default_device",
    "hookimpl",
    "isolated",
    "plugins",
    "provider",
    "register",
    "resolve",
    "set_default_device",
    "unregister",
]
