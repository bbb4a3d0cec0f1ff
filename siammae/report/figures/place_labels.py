"""Labels beside points so that none covers another: adjustText moves them, and we check it."""

from itertools import combinations

import numpy as np
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

ITERATIONS = 300  # instead of adjustText's limit by time, so that a figure is the same anywhere


def place_labels(
    figure: Figure, axes: Axes, points: list[tuple[float, float]], labels: list[str], size: int = 9
) -> bool:
    """Write a label beside each point (x, y), given in the units of the axes.

    The labels keep clear of one another, of the points and of all lines that were drawn before.

    Returns:
        Whether all labels found a free place; otherwise none is written.
    """
    FigureCanvasAgg(figure).draw()  # the layout must stand before sizes in pixels mean something
    white = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}
    texts = [
        axes.text(x, y, label, fontsize=size, zorder=5, bbox=white)
        for (x, y), label in zip(points, labels, strict=True)
    ]
    whiskers = [_around(axes.transData.transform(point), figure.dpi) for point in points]
    whiskers += [
        axes.transData.transform_bbox(Bbox(path.vertices))
        for lines in axes.collections
        for path in lines.get_paths()
    ]
    xs, ys = zip(*points, strict=True)
    adjust_text(texts, xs, ys, objects=whiskers, ax=axes, iter_lim=ITERATIONS, expand=(1.1, 1.4))
    boxes = [text.get_window_extent() for text in texts]
    marks = [_around(axes.transData.transform(point), figure.dpi) for point in points]
    is_free = not any(one.overlaps(other) for one, other in combinations([*boxes, *marks], 2))
    if not is_free or not all(axes.bbox.containsx(x) for box in boxes for x in box.intervalx):
        for text in texts:
            text.remove()
        return False
    return True


def _around(point: np.ndarray, dpi: float, radius: float = 5.0) -> Bbox:
    """The pixels of a mark with a radius in points."""
    half = radius * dpi / 72
    return Bbox.from_extents(*(c - half for c in point), *(c + half for c in point))
