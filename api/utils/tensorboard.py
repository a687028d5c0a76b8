"""Logs for TensorBoard, written by the library tensorboardX.

Needs the extra ``tensorboard``: ``pip install 'tensorplug[tensorboard]'``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self

import tensorplug as tp
from tensorplug.autograd.tensor import Tensor
from tensorplug.backends import TensorplugError
from tensorplug.viz import Graph, graph

__all__ = ["SummaryWriter"]


class SummaryWriter:
    """Writes numbers, histograms, pictures and texts into event files that TensorBoard shows.

    Tensors may be on any device, of any type, and require grad: their values are copied.

    Args:
        log_dir: the folder; ``runs/<date>_<host>`` when None.
        comment: added to the name of that default folder.
        purge_step: TensorBoard forgets steps from this one on, which a crashed run has left.
        max_queue: so many events are held back before they are written.
        flush_secs: they are written at least this often, in seconds.
        filename_suffix: added to the names of the event files.

    Raises:
        TensorplugError: tensorboardX is not installed.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> with tp.utils.tensorboard.SummaryWriter(folder.name) as writer:
        ...     for step in range(3):
        ...         writer.add_scalar("loss", tp.tensor(1.0 / (step + 1)), step)
        >>> folder.cleanup()
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        try:
            import tensorboardX
        except ModuleNotFoundError as error:
            raise TensorplugError(
                "SummaryWriter: expected the module tensorboardX, but it is not installed; "
                "pip install 'tensorplug[tensorboard]'",
                op="SummaryWriter",
            ) from error
        folder = None if log_dir is None else os.fspath(log_dir)
        self._writer = tensorboardX.SummaryWriter(
            folder, comment, purge_step, max_queue, flush_secs, filename_suffix
        )

    @property
    def log_dir(self) -> str:
        """The folder that is written to."""
        return str(self._writer.logdir)

    def get_logdir(self) -> str:
        """The folder that is written to."""
        return self.log_dir

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """Add a number, or a tensor of one element, to the curve ``tag``.

        ``new_style`` and ``double_precision`` are accepted for compatibility.
        """
        self._writer.add_scalar(tag, _host(scalar_value), global_step, walltime)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Add a number to each of several curves in one chart; each has a folder of its own."""
        self._writer.add_scalars(main_tag, _host(tag_scalar_dict), global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: str = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """Add the distribution of a tensor's values, of any shape."""
        self._writer.add_histogram(tag, _host(values), global_step, bins, walltime, max_bins)

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """Add a picture: floats from 0 to 1 or bytes, of shape ``(1 or 3, height, width)``."""
        self._writer.add_image(tag, _host(img_tensor), global_step, walltime, dataformats)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Add several pictures of one size as a grid: ``(count, 1 or 3, height, width)``."""
        self._writer.add_images(tag, _host(img_tensor), global_step, walltime, dataformats)

    def add_figure(
        self,
        tag: str,
        figure: Any,
        global_step: int | None = None,
        close: bool = True,
        walltime: float | None = None,
    ) -> None:
        """Add a matplotlib figure, or a list of them, as a picture; ``close`` frees it."""
        self._writer.add_figure(tag, figure, global_step, close, walltime)

    def add_text(
        self,
        tag: str,
        text_string: str,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Add a text, which may use Markdown."""
        self._writer.add_text(tag, text_string, global_step, walltime)

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Add a precision-recall curve: true labels of 0 and 1, and predicted probabilities."""
        self._writer.add_pr_curve(
            tag, _host(labels), _host(predictions), global_step, num_thresholds, _host(weights),
            walltime,
        )  # fmt: skip

    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, Any],
        hparam_domain_discrete: None = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """Add a run's settings with the numbers that it came to, for TensorBoard's table.

        Differs from torch: ``hparam_domain_discrete``, hints for the table's filters, is refused.

        Raises:
            ValueError: ``hparam_domain_discrete`` is given.
        """
        if hparam_domain_discrete is not None:
            raise ValueError(
                "add_hparams: expected hparam_domain_discrete=None, got "
                f"{hparam_domain_discrete!r}; TensorBoard finds the values by itself"
            )
        settings = {
            name: value.item() if isinstance(value, Tensor) else value
            for name, value in hparam_dict.items()
        }
        self._writer.add_hparams(settings, _host(metric_dict), run_name, global_step)

    def add_graph(
        self,
        model: Any,
        input_to_model: Any = None,
        verbose: bool = False,
        use_strict_trace: bool = True,
    ) -> None:
        """Add the operations that autograd records when ``model`` is called.

        Args:
            model: the module.
            input_to_model: a tensor, or a tuple of the arguments.
            verbose, use_strict_trace: accepted for compatibility.

        Raises:
            ValueError: there is no input, or nothing is recorded.

        Differs from torch: shows recorded operations and parameters, not a traced program.
        """
        if input_to_model is None:
            raise ValueError(
                "add_graph: expected the input of the model, got None; pass a tensor or a tuple"
            )
        args = input_to_model if isinstance(input_to_model, tuple) else (input_to_model,)
        with tp.enable_grad():
            recorded = graph(model(*args), params=model)
        self._writer.file_writer.add_event(_graph_event(recorded))

    def flush(self) -> None:
        """Hand what was written so far to the system; only :meth:`close` waits for the rest."""
        self._writer.flush()

    def close(self) -> None:
        """Write what is held back, and close the files."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _host(value: Any) -> Any:
    """The same with NumPy arrays for tensors."""
    if isinstance(value, Mapping):
        return {key: _host(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_host, value))
    if not isinstance(value, Tensor):
        return value
    value = value.detach()
    if value.dtype is tp.bfloat16:  # a type that NumPy's own functions do not know
        value = value.float()
    return value.cpu().numpy()


def _graph_event(recorded: Graph) -> Any:
    """A drawing in TensorBoard's form; names with dots become nested boxes."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.graph_pb2 import GraphDef
    from tensorboardX.proto.node_def_pb2 import NodeDef

    titles = [box.lines[0] for box in recorded.boxes]
    names = [
        title.replace(".", "/") if box.kind == "leaf" else f"{title}_{number}"
        for number, (title, box) in enumerate(zip(titles, recorded.boxes, strict=True))
    ]
    nodes = [NodeDef(name=name, op=title) for name, title in zip(names, titles, strict=True)]
    for node, box in zip(nodes, recorded.boxes, strict=True):
        for line in box.lines[1:]:
            node.attr["values"].s = line.encode()
    for start, end in recorded.edges:
        nodes[end].input.append(names[start])
    return Event(graph_def=GraphDef(node=nodes).SerializeToString())
