"""The autograd engine: graph, modes and op registry."""
