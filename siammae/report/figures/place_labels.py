"""Places labels beside points so that none covers another."""

from dataclasses import dataclass
from itertools import product

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

AWAY = 9  # points between a mark and its label
SIDES = {1: "left", 0: "center", -1: "right"}
HEIGHTS = {1: "bottom", 0: "center", -1: "top"}
MARK = 6  # half the width of a mark, in points


@dataclass(frozen=True)
class Mark:
    """A point and the ends of its whiskers, in the units of the axes."""

    x: float
    y: float
    left: float
    right: float
    low: float
    high: float


def place_labels(
    figure: Figure, axes: Axes, marks: list[Mark], labels: list[str], size: int = 9
) -> bool:
    """Write a label at each point, on the first of eight sides that is free.

    Returns:
        Whether all of them found one; otherwise none is written.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # the layout must stand before sizes in pixels mean something
    taken = [box for mark in marks for box in _boxes(axes, mark)]
    written: list[Annotation] = []
    for mark, label in zip(marks, labels, strict=True):
        found = _first_free(canvas, axes, mark, label, size, taken)
        if found is None:
            for annotation in written:
                annotation.remove()
            return False
        written.append(found)
        taken.append(found.get_window_extent())
    return True


def _first_free(
    canvas: FigureCanvasAgg,
    axes: Axes,
    mark: Mark,
    label: str,
    size: int,
    taken: list[Bbox],
) -> Annotation | None:
    for right, up in sorted(product((1, 0, -1), repeat=2), key=lambda side: side[0] == 0):
        if right == up == 0:
            continue
        annotation = axes.annotate(
            label,
            (mark.x, mark.y),
            (AWAY * right, AWAY * up),
            textcoords="offset points",
            ha=SIDES[right],
            va=HEIGHTS[up],
            fontsize=size,
            zorder=5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5},
        )
        box = annotation.get_window_extent(canvas.get_renderer())
        inside = axes.bbox.contains(box.x0, box.y0) and axes.bbox.contains(box.x1, box.y1)
        if inside and not any(box.overlaps(other) for other in taken):
            return annotation
        annotation.remove()
    return None


def _boxes(axes: Axes, mark: Mark) -> list[Bbox]:
    """Return the pixels of a mark and of its whiskers."""
    across, up = axes.transData.transform((mark.x, mark.y))
    left, low = axes.transData.transform((mark.left, mark.low))
    right, high = axes.transData.transform((mark.right, mark.high))
    half = MARK * axes.figure.dpi / 72
    return [
        Bbox.from_extents(across - half, up - half, across + half, up + half),
        Bbox.from_extents(across - 1, low, across + 1, high),
        Bbox.from_extents(left, up - 1, right, up + 1),
    ]
