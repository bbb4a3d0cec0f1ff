"""Draw the picture of the method from a run of the demo.

python docs/draw_method.py RUN [--out docs/pictures/method.png]

Both frames are of a validation sequence of the built-in set, which the run was not trained on. The
run's own masking draws the hidden patches, and its model restores them. The model predicts patches
without their mean and contrast, so these two are taken from the true patches.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle
from PIL import Image

from siammae.assembly.load_model import load_model
from siammae.data import Sprites
from siammae.data.augment.normalising import denormalise, normalise
from siammae.model.patches import patch_statistics, patchify, unpatchify
from siammae.system.paths import ROOT

BLUE, ORANGE, GREY, DARK = "#2f6f9f", "#d2691e", "#c4c4c4", "#333333"
SIDE = 2.6  # of a frame, in the picture's units
TOP, BOTTOM = 4.0, 0.4  # lower edges of the two rows
# The example that is shown; it was chosen for its clear shapes.
SEQUENCE, FRAME, CROP, SEED = 3, 4, (30, 30), 1


class Example(NamedTuple):
    """Frames (S, S, 3) in 0..1, and whether each of (rows, columns) patches is hidden."""

    past: np.ndarray
    future: np.ndarray
    restored: np.ndarray
    hidden: np.ndarray


def example_of(run: Path, clips: Path) -> Example:
    """Return what the model of a run restores, in the clips of a folder of ``data=sprites``."""
    model, config = load_model(run)
    size, patch = int(config.image_size), int(config.encoder.patch_size)
    source = Sprites(root=str(clips))
    source.prepare()
    folder = sorted((source.benchmark_root / "JPEGImages" / "480p").iterdir())[SEQUENCE]
    files = sorted(folder.iterdir())[FRAME : FRAME + 2]  # neighbours here are 4 frames apart
    top, left = CROP
    crops = [np.asarray(Image.open(file))[top : top + size, left : left + size] for file in files]
    pair = normalise(torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255)
    with torch.no_grad():
        found = model(pair.unsqueeze(0), torch.Generator().manual_seed(SEED)).targets[0]
    patches = patchify(pair[1:], patch)
    hidden = found.mask.hidden[0]
    mean, deviation = patch_statistics(patches[:, hidden])
    patches[:, hidden] = found.prediction.mean.float() * deviation + mean
    side = size // patch
    restored = unpatchify(patches, patch, (side, side))
    past, future, after = (
        denormalise(image).permute(1, 2, 0).numpy() for image in (pair[0], pair[1], restored[0])
    )
    is_hidden = np.zeros(side * side, dtype=bool)
    is_hidden[hidden] = True
    return Example(past, future, after, is_hidden.reshape(side, side))


def draw(example: Example) -> plt.Figure:
    """Return the picture: both frames, the encoder, tokens, the decoder, the restored frame."""
    figure, axes = plt.subplots(figsize=(11, 4.2), dpi=150)
    axes.set(xlim=(-0.2, 18.6), ylim=(-0.35, 7.35), aspect="equal")
    axes.axis("off")
    count, hidden = example.hidden.size, int(example.hidden.sum())
    nothing = np.zeros_like(example.hidden)

    show(axes, example.past, nothing, 0, TOP, "past frame", f"all {count} patches are seen")
    words = f"{hidden} of {count} patches are hidden"
    show(axes, example.future, example.hidden, 0, BOTTOM, "future frame", words)
    box(axes, 4.1, 1.7, BOTTOM, TOP + SIDE, "ViT\nencoder", "shared by\nboth frames", BLUE)
    tokens(axes, 7.5, TOP, nothing, "memory", "a token for each patch")
    tokens(axes, 7.5, BOTTOM, example.hidden, "queries", "visible and mask tokens")
    words = "cross-attention\nto the memory,\nself-attention,\nMLP"
    box(axes, 11.2, 2.5, BOTTOM, TOP + SIDE, "decoder", words, ORANGE)
    show(
        axes, example.restored, nothing, 15.2, TOP, "restored frame", "compared with the true one:"
    )
    words = "squared error of the hidden patches"
    show(axes, example.future, nothing, 15.2, BOTTOM, "true future frame", words)
    for row in (TOP + SIDE / 2, BOTTOM + SIDE / 2):
        for start, end in ((SIDE + 0.2, 4.0), (5.9, 7.3), (7.5 + SIDE + 0.15, 11.1)):
            arrow(axes, start, end, row)
    arrow(axes, 13.8, 15.0, TOP + SIDE / 2)
    figure.subplots_adjust(0, 0, 1, 1)
    return figure


def show(
    axes: Axes, frame: np.ndarray, hidden: np.ndarray, x: float, y: float, title: str, words: str
) -> None:
    """Draw a frame with its grid of patches; hidden ones are grey."""
    axes.imshow(frame, extent=(x, x + SIDE, y, y + SIDE), interpolation="nearest", zorder=1)
    step = SIDE / len(hidden)
    for row, column in np.ndindex(hidden.shape):
        corner = (x + column * step, y + SIDE - (row + 1) * step)
        fill = GREY if hidden[row, column] else "none"
        axes.add_patch(Rectangle(corner, step, step, facecolor=fill, edgecolor="white", zorder=2))
    describe(axes, x + SIDE / 2, y, title, words)


def tokens(axes: Axes, x: float, y: float, hidden: np.ndarray, title: str, words: str) -> None:
    """Draw a token for each patch: blue where the encoder saw it, grey where it is a mask token."""
    step = SIDE / len(hidden)
    for row, column in np.ndindex(hidden.shape):
        corner = (x + (column + 0.17) * step, y + SIDE - (row + 0.83) * step)
        fill = GREY if hidden[row, column] else BLUE
        axes.add_patch(Rectangle(corner, 0.66 * step, 0.66 * step, facecolor=fill))
    describe(axes, x + SIDE / 2, y, title, words)


def describe(axes: Axes, x: float, y: float, title: str, words: str) -> None:
    """Write a title above and words below a square whose lower edge is ``y``."""
    axes.text(x, y + SIDE + 0.12, title, ha="center", va="bottom", fontsize=11, weight="bold")
    axes.text(x, y - 0.1, words, ha="center", va="top", fontsize=9, color=DARK)


def box(
    axes: Axes, x: float, width: float, low: float, high: float, title: str, words: str, colour: str
) -> None:
    """Draw a network as a box over both rows."""
    shape = FancyBboxPatch(
        (x, low), width, high - low, boxstyle="round,pad=0,rounding_size=0.2", color=colour
    )
    axes.add_patch(shape)
    middle, height = x + width / 2, (low + high) / 2
    style: dict[str, Any] = {"ha": "center", "color": "white"}
    axes.text(middle, height + 0.3, title, va="bottom", fontsize=12, weight="bold", **style)
    axes.text(middle, height - 0.1, words, va="top", fontsize=9, **style)


def arrow(axes: Axes, start: float, end: float, y: float) -> None:
    """Draw an arrow to the right."""
    style = {"arrowstyle": "-|>", "color": DARK, "linewidth": 1.5}
    axes.annotate("", (end, y), (start, y), arrowprops=style)


def main() -> None:
    """Draw the picture of the run that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished demo run")
    parser.add_argument(
        "--clips", type=Path, default=Path("datasets/sprites"), help="root of data=sprites"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "docs" / "pictures" / "method.png", help="the picture"
    )
    given = parser.parse_args()
    draw(example_of(given.run, given.clips)).savefig(given.out)
    print(f"written: {given.out}")


if __name__ == "__main__":
    main()
