"""``tensorplug demo``: a small classifier of real handwritten digits, on every device.

Read :mod:`tensorplug.demo.training` for a complete training loop.
"""
