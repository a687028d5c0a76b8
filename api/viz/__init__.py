"""Pictures of what was recorded: :func:`graph` draws the autograd graph of a result."""

from __future__ import annotations

from ._graph import Graph as Graph
from ._graph import graph as graph
