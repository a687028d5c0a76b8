"""Draws boxes and arrows as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tensorplug._svg import INK, MUTED, Svg

from ._layout import Placed, place

if TYPE_CHECKING:
    from ._graph import Box

__all__ = ["draw"]

_LINE = 16
_PADDING = 8
_LETTERS = (8.0, 6.6)
"""The mean width of a letter of size 12, bold or not; there is nothing to measure text with."""
_BETWEEN = (56, 44)
"""The distance of neighbours, which leaves room for the text of an arrow, and that of layers."""
_MARGIN = 20


def draw(
    boxes: Sequence[Box], edges: Mapping[tuple[int, int], str], styles: Mapping[str, str]
) -> str:
    """The picture as SVG: arrows point down, from the leaves to the outputs."""
    widths = [_width(box) for box in boxes]
    placed = place(widths, list(edges), _BETWEEN[0])
    tops, heights = _rows(boxes, placed)
    right = max(x + width / 2 for x, width in zip(placed.centres, widths, strict=True))
    bends = [x for points in placed.bends.values() for _, x in points]
    width = max([right, *bends]) + 2 * _MARGIN + _BETWEEN[0]
    svg = Svg(width, tops[-1] + heights[-1] + _MARGIN, "Recorded operations")
    for edge, label in edges.items():
        _arrow(svg, _route(edge, placed, boxes, tops, heights), label)
    for number, box in enumerate(boxes):
        x = placed.centres[number] + _MARGIN
        top = tops[placed.layers[number]]
        height = _height(box)
        fill = styles[box.kind]
        svg.rect(x - widths[number] / 2, top, widths[number], height, fill, MUTED, 4)
        for at, line in enumerate(box.lines):
            y = top + _PADDING + _LINE * (at + 0.75)
            svg.text(x, y, line, 12, MUTED if at else INK, "middle", bold=not at)
    return svg.render()


def _width(box: Box) -> float:
    lines = [_LETTERS[at > 0] * len(line) for at, line in enumerate(box.lines)]
    return 2 * _PADDING + max(lines)


def _height(box: Box) -> float:
    return 2 * _PADDING + _LINE * len(box.lines)


def _rows(boxes: Sequence[Box], placed: Placed) -> tuple[list[float], list[float]]:
    """The top and the height of every layer."""
    heights = [0.0] * (max(placed.layers) + 1)
    for box, layer in zip(boxes, placed.layers, strict=True):
        heights[layer] = max(heights[layer], _height(box))
    tops, y = [], float(_MARGIN)
    for height in heights:
        tops.append(y)
        y += height + _BETWEEN[1]
    return tops, heights


def _route(
    edge: tuple[int, int],
    placed: Placed,
    boxes: Sequence[Box],
    tops: list[float],
    heights: list[float],
) -> list[tuple[float, float]]:
    start, end = edge
    layer = placed.layers[start]
    points = [(placed.centres[start] + _MARGIN, tops[layer] + _height(boxes[start]))]
    for crossed, x in placed.bends[edge]:
        x += _MARGIN
        points += [(x, tops[crossed]), (x, tops[crossed] + heights[crossed])]
    points.append((placed.centres[end] + _MARGIN, tops[placed.layers[end]]))
    return points


def _arrow(svg: Svg, points: list[tuple[float, float]], label: str) -> None:
    svg.line(points, MUTED)
    x, y = points[-1]
    svg.line([(x - 4, y - 7), (x, y), (x + 4, y - 7)], MUTED, 1.5)
    (from_x, from_y), (to_x, to_y) = points[0], points[1]
    if label:
        svg.text((from_x + to_x) / 2 + 5, (from_y + to_y) / 2 + 3, label, 10, MUTED)
