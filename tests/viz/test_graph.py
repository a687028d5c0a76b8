"""The drawing of recorded operations: what is in it, its DOT source, its SVG and its errors."""

from __future__ import annotations

import itertools
import re
import shutil
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import tensorplug as tp
from tensorplug import nn, viz
from tensorplug.viz._layout import _apart, place

SVG = "{http://www.w3.org/2000/svg}"


def _net() -> tuple[nn.Module, tp.Tensor]:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    return model, model(tp.ones(5, 3)).sum()


def _named(drawing: viz.Graph) -> set[tuple[str, str, str]]:
    """The arrows as (from, to, text), by the boxes' titles."""
    title = [box.lines[0] for box in drawing.boxes]
    return {(title[a], title[b], text) for (a, b), text in drawing.edges.items()}


def test_operations_leaves_and_shapes() -> None:
    model, loss = _net()
    drawing = viz.graph(loss, params=model)
    assert repr(drawing) == "<Graph: 4 operations, 4 leaves>"
    assert _named(drawing) == {
        ("0.weight", "AddmmBackward0", ""),
        ("0.bias", "AddmmBackward0", ""),
        ("AddmmBackward0", "ReluBackward0", "(5, 4)"),
        ("ReluBackward0", "AddmmBackward0", "(5, 4)"),
        ("2.weight", "AddmmBackward0", ""),
        ("2.bias", "AddmmBackward0", ""),
        ("AddmmBackward0", "SumBackward0", "(5, 2)"),
        ("SumBackward0", "output", "()"),
    }
    texts = [box.lines for box in drawing.boxes]
    assert ("0.weight", "(4, 3) float32") in texts
    assert ("ReluBackward0", "saved: out (5, 4)") in texts
    assert ("output", "() float32") in texts


def test_names_for_leaves() -> None:
    x, y = tp.ones(2, requires_grad=True), tp.ones(2, requires_grad=True)
    for params, names in (
        (None, {"leaf"}),
        ({"x": x, "y": y}, {"x", "y"}),
        ([("first", x)], {"first", "leaf"}),
    ):
        boxes = viz.graph(x * y, params=params).boxes
        assert {box.lines[0] for box in boxes if box.kind == "leaf"} == names


def test_several_outputs_share_their_history() -> None:
    x = tp.ones(3, requires_grad=True)
    shared = x.exp()
    low, high = shared.aminmax()
    drawing = viz.graph({"low": low, "sum": shared.sum() + high, "x": x}, params={"x": x})
    titles = [box.lines[0] for box in drawing.boxes]
    assert titles.count("ExpBackward0") == 1
    assert titles.count("x") == 2  # the leaf, and the output of that name
    assert ("x", "x", "(3,)") not in _named(drawing)  # a leaf's box says its shape
    several = viz.graph([low, high]).boxes
    assert [box.lines[0] for box in several if box.kind == "output"] == ["output 0", "output 1"]


def test_one_value_used_twice_is_one_arrow() -> None:
    x = tp.ones(2, requires_grad=True).exp()
    drawing = viz.graph(x * x)
    assert ("ExpBackward0", "MulBackward0", "(2,), (2,)") in _named(drawing)


class _Square(tp.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: tp.Tensor) -> tp.Tensor:
        out = x * x
        ctx.save_for_backward(x, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: tp.Tensor) -> tp.Tensor:
        return grad * 2 * ctx.saved_tensors[0]


def test_nodes_of_every_kind() -> None:
    leaf = tp.ones(2, 3, requires_grad=True)
    x = leaf * 1
    x[0] = 5.0  # a write through a view
    joined = tp.cat([x, _Square.apply(x)]).to("strict:0")
    drawing = viz.graph(joined.split(2)[1].sum())
    texts = {box.lines for box in drawing.boxes}
    assert ("_SquareBackward", "saved: (2, 3), (2, 3)") in texts
    titles = {text[0] for text in texts}
    assert {"CopySlices", "CatBackward0", "ToCopyBackward0"} <= titles
    ElementTree.fromstring(drawing.svg())


def test_freed_values_and_hidden_ones() -> None:
    x = tp.ones(2, requires_grad=True)
    loss = x.exp().sum()
    assert any("saved: out (2,)" in box.lines for box in viz.graph(loss).boxes)
    assert all("saved" not in str(box) for box in viz.graph(loss, show_saved=False).boxes)
    loss.backward()
    assert any("saved: freed by backward" in box.lines for box in viz.graph(loss).boxes)


def test_a_long_graph_needs_no_recursion() -> None:
    x = y = tp.ones(1, requires_grad=True)
    for _ in range(2 * sys.getrecursionlimit()):
        y = y * 1.5
    assert repr(viz.graph(y)) == f"<Graph: {2 * sys.getrecursionlimit()} operations, 1 leaves>"
    assert x.is_leaf


def test_source_is_dot() -> None:
    x = tp.ones(2, requires_grad=True)
    source = viz.graph(x.exp(), params={'odd "name"\\': x}).source
    assert source.startswith("digraph autograd {\n")
    assert source.endswith("}\n")
    assert '[label="odd \\"name\\"\\\\\\n(2,) float32"' in source
    assert len(re.findall(r"^  n\d+ \[", source, re.MULTILINE)) == 3
    assert '  n1 -> n0 [label="(2,)"]' in source.splitlines()


def test_svg_shows_every_box_and_arrow(tmp_path: Path) -> None:
    model, loss = _net()
    drawing = viz.graph(loss, params=model)
    root = ElementTree.parse(drawing.save(tmp_path / "graph.svg")).getroot()
    texts = [element.text for element in root.iter(f"{SVG}text")]
    for box in drawing.boxes:
        assert set(box.lines) <= set(texts)
    assert len(list(root.iter(f"{SVG}rect"))) == len(drawing.boxes) + 1  # and the background
    assert len(list(root.iter(f"{SVG}path"))) == 2 * len(drawing.edges)  # a line and its head
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for rect in root.iter(f"{SVG}rect"):
        x, y = float(rect.get("x", 0)), float(rect.get("y", 0))
        assert 0 <= x <= x + float(rect.attrib["width"]) <= width
        assert 0 <= y <= y + float(rect.attrib["height"]) <= height
    assert drawing._repr_svg_() == drawing.svg()


def test_save_goes_by_the_ending(tmp_path: Path) -> None:
    _, loss = _net()
    drawing = viz.graph(loss)
    assert drawing.save(tmp_path / "a.dot").read_text("utf-8") == drawing.source
    assert drawing.save(str(tmp_path / "a.gv")).read_text("utf-8") == drawing.source
    with pytest.raises(ValueError, match=r"ends in \.svg, \.dot or \.gv, got 'a\.png'"):
        drawing.save(tmp_path / "a.png")


def test_dot_draws_or_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = viz.graph(_net()[1])
    if shutil.which("dot"):
        texts = {e.text for e in ElementTree.fromstring(drawing.svg("dot")).iter(f"{SVG}text")}
        assert {"ReluBackward0", "saved: out (5, 4)"} <= texts
    monkeypatch.setenv("PATH", "")
    with pytest.raises(tp.backends.TensorplugError, match=r"program dot .* apt install graphviz"):
        drawing.svg("dot")
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(tp.backends.TensorplugError, match=r"pip install 'tensorplug\[viz\]'"):
        drawing.svg("dot")
    with pytest.raises(ValueError, match="expected engine 'layers' or 'dot', got 'neato'"):
        drawing.svg("neato")


def test_wrong_arguments() -> None:
    x = tp.ones(2, requires_grad=True)
    with pytest.raises(TypeError, match="expected tensors, got float as output"):
        viz.graph(1.0)
    with pytest.raises(ValueError, match=r"got output 1 of shape \(2,\) for which nothing"):
        viz.graph([x, x.detach()])
    with pytest.raises(TypeError, match=r"expected params to be a Module, .* got int"):
        viz.graph(x * 2, params=3)


# --- the layout -----------------------------------------------------------------------------------


def test_layers_follow_the_longest_path() -> None:
    placed = place([10.0] * 5, [(0, 1), (1, 2), (2, 3), (0, 3), (4, 3)], 5)
    assert placed.layers == [0, 1, 2, 3, 2]  # 4 is next to its only user
    assert [layer for layer, _ in placed.bends[0, 3]] == [1, 2]
    assert placed.bends[0, 1] == []


def test_boxes_of_a_layer_do_not_overlap() -> None:
    widths = [float(20 + 7 * (n % 5)) for n in range(40)]
    edges = [(n, m) for n in range(40) for m in range(n + 1, 40) if (n * m + n) % 7 == 3]
    placed = place(widths, edges, 5)
    assert all(placed.layers[a] < placed.layers[b] for a, b in edges)
    for layer in set(placed.layers):
        spans = sorted(
            (placed.centres[n] - widths[n] / 2, placed.centres[n] + widths[n] / 2)
            for n in range(40)
            if placed.layers[n] == layer
        )
        for left, right in itertools.pairwise(spans):
            assert left[1] + 5 <= right[0] + 1e-6


def test_crossings_are_taken_out() -> None:
    # Two chains, numbered so that the first order crosses in every layer.
    edges = [(0, 3), (1, 2), (2, 5), (3, 4)]
    x = place([10.0] * 6, edges, 5).centres
    assert (x[0] < x[1]) == (x[3] < x[2]) == (x[4] < x[5])


def test_places_are_the_nearest_without_overlap() -> None:
    assert _apart([0.0, 100.0], [10, 10], 5) == pytest.approx([0, 100])
    assert _apart([50.0, 50.0], [10, 10], 5) == pytest.approx([42.5, 57.5])
    assert _apart([50.0, 40.0, 200.0], [10, 20, 10], 0) == pytest.approx([37.5, 52.5, 200])
