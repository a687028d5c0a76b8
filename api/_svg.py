"""A small writer of SVG pictures: enough for charts and grids of images, with no dependency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

__all__ = ["INK", "MUTED", "Axis", "Chart", "Svg", "nice_ticks"]

INK = "#1f2933"
MUTED = "#616e7c"
GRID = "#e4e7eb"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


class Svg:
    """Shapes in drawing order; units are pixels, the origin is at the top left."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width = width
        self.height = height
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
            f'width="{width:g}" height="{height:g}" font-family="{_FONT}" role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>',
        ]

    def text(
        self,
        x: float,
        y: float,
        content: str,
        size: float = 12,
        fill: str = INK,
        anchor: str = "start",
        bold: bool = False,
        turn: float = 0,
    ) -> None:
        """A line of text whose base line starts, ends or is centred (``anchor``) at ``x, y``."""
        weight = ' font-weight="600"' if bold else ""
        turned = f' transform="rotate({turn:g} {x:.1f} {y:.1f})"' if turn else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{fill}" '
            f'text-anchor="{anchor}"{weight}{turned}>{escape(content)}</text>'
        )

    def line(
        self, points: Sequence[tuple[float, float]], stroke: str, width: float = 1, dash: str = ""
    ) -> None:
        """A line through ``points``."""
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<path d="{path}" fill="none" stroke="{stroke}" stroke-width="{width:g}" '
            f'stroke-linejoin="round" stroke-linecap="round"{dashed}/>'
        )

    def dots(self, points: Sequence[tuple[float, float]], fill: str, radius: float = 2) -> None:
        """A filled circle at each point."""
        for x, y in points:
            self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{fill}"/>')

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str,
        stroke: str = "none",
        radius: float = 0,
    ) -> None:
        """A rectangle with corners rounded by ``radius``."""
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'rx="{radius:g}" fill="{fill}" stroke="{stroke}"/>'
        )

    def image(self, x: float, y: float, pixel: float, rows: Sequence[Sequence[float]]) -> None:
        """A grey image, 0 white to 1 black; pixels of one shade share a path, to stay small."""
        shades: dict[int, list[str]] = {}
        for row, values in enumerate(rows):
            for column, value in enumerate(values):
                shade = 255 - round(min(max(value, 0.0), 1.0) * 255)
                if shade < 255:
                    left, top = x + column * pixel, y + row * pixel
                    shades.setdefault(shade, []).append(
                        f"M{left:g} {top:g}h{pixel:g}v{pixel:g}h-{pixel:g}z"
                    )
        for shade, squares in sorted(shades.items()):
            self._parts.append(
                f'<path d="{"".join(squares)}" fill="rgb({shade},{shade},{shade})" '
                'shape-rendering="crispEdges"/>'
            )

    def render(self) -> str:
        """The picture as the text of an SVG file."""
        return "\n".join([*self._parts, "</svg>", ""])


class Axis:
    """Maps values to pixels, on a linear or a logarithmic scale.

    Args:
        low, high: the values at both ends.
        start, end: the pixels at both ends.
        log: use a logarithmic scale; values must be positive.
    """

    def __init__(
        self, low: float, high: float, start: float, end: float, log: bool = False
    ) -> None:
        self.log = log
        self.low, self.high = low, high if high > low else low + 1
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        """The pixel of a value; those outside are put on the edge."""
        value = min(max(value, self.low), self.high)
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log10(value), math.log10(low), math.log10(high)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Round values to mark."""
        if not self.log:
            return nice_ticks(self.low, self.high, count)
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        spread = self.high / self.low
        steps = (1, 2, 5) if spread < 300 else (1,)
        marks = [step * 10.0**power for power in powers for step in steps]
        return [mark for mark in marks if self.low <= mark <= self.high * (1 + 1e-9)]


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About ``count`` multiples of 1, 2, 2.5 or 5 times a power of ten from ``low`` to ``high``."""
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * f for f in (1, 2, 2.5, 5, 10) if power * f >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


class Chart:
    """A frame with a title, two labelled axes and lines inside."""

    def __init__(self, svg: Svg, x: Axis, y: Axis, title: str) -> None:
        self.svg, self.x, self.y = svg, x, y
        svg.text(x.start, y.end - 14, title, 14, bold=True)

    def axes(self, x_label: str, y_label: str, y_format: str = "{:g}") -> None:
        """Grid lines, numbers and labels."""
        svg, x, y = self.svg, self.x, self.y
        for mark in y.ticks():
            svg.line([(x.start, y(mark)), (x.end, y(mark))], GRID)
            svg.text(x.start - 8, y(mark) + 4, y_format.format(mark), 11, MUTED, "end")
        for mark in x.ticks(6):
            if mark == int(mark):
                svg.line([(x(mark), y.start), (x(mark), y.start + 4)], MUTED)
                svg.text(x(mark), y.start + 18, f"{mark:g}", 11, MUTED, "middle")
        svg.line([(x.start, y.start), (x.end, y.start)], MUTED)
        svg.text((x.start + x.end) / 2, y.start + 38, x_label, 12, MUTED, "middle")
        middle = (y.start + y.end) / 2
        svg.text(x.start - 44, middle, y_label, 12, MUTED, "middle", turn=-90)

    def plot(
        self, points: Sequence[tuple[float, float]], stroke: str, width: float = 2, dash: str = ""
    ) -> None:
        """A line through points given in the axes' values; a single one becomes a dot."""
        pixels = [(self.x(x), self.y(y)) for x, y in points]
        if len(pixels) == 1:
            self.svg.dots(pixels, stroke, radius=3)
        elif pixels:
            self.svg.line(pixels, stroke, width, dash)
