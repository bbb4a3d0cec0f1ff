"""What an encoder sees in a clip: CLS attention, main components, best matches; one JPEG each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from siammae.data.reading.clips import shrink
from siammae.evaluation.features import EncoderFeatures
from siammae.evaluation.pictures.cls_attention import cls_attention
from siammae.evaluation.pictures.sheet import contact_sheet, jpeg
from siammae.evaluation.propagation.protocol import Propagation
from siammae.evaluation.propagation.sequence import prepare

SHORT_SIDE = 224  # pixels; larger frames are made smaller
TILE = 180  # height of a tile, in pixels
POINTS = 22  # arrows along the longer side, at most


def encoder_pictures(
    encoder: nn.Module,
    device: torch.device,
    pixels: np.ndarray,
    names: Sequence[str],
    short_side: int | None = SHORT_SIDE,
) -> dict[str, bytes]:
    """Return JPEGs by name: ``attention`` (first frame), ``pca`` (all) and ``arrows`` (first two).

    A single frame has no arrows.

    Args:
        encoder: with ``features(images)`` and ``patch_size``; timm's kind of attention.
        device: on which the encoder is.
        pixels: (T, H, W, 3) uint8, RGB.
        names: of the frames, for captions.
        short_side: of the encoder's input, in pixels, when frames are larger; None: as they are.

    Raises:
        DataError: when the encoder has no attention that can be shown.
    """
    pixels = shrink(pixels, short_side)
    features, protocol = EncoderFeatures(encoder, device), Propagation()
    size = protocol.input_shape(pixels.shape[1:3], features.patch_size)
    grid = (size[0] // features.patch_size, size[1] // features.patch_size)
    training = encoder.training
    encoder.eval()
    try:
        images = [prepare(p.transpose(2, 0, 1), size, protocol, device) for p in pixels]
        tokens = torch.cat([features(image) for image in images]).cpu()
        weights = cls_attention(encoder, features, images[0])[0].cpu()
    finally:
        encoder.train(training)
    drawn = {
        "attention": attention_picture(pixels[0], weights, grid),
        "pca": pca_picture(pixels, names, tokens, grid),
    }
    if len(pixels) > 1:
        drawn["arrows"] = arrows_picture(pixels[:2], names[:2], tokens[:2], grid)
    return drawn


def attention_picture(pixels: np.ndarray, weights: Tensor, grid: tuple[int, int]) -> bytes:
    """Draw the frame (H, W, 3), the mean over heads, and each head of ``weights`` (heads, N).

    Each map is bright where its own largest weight is, which stands in the caption.
    """
    maps = [weights.mean(dim=0), *weights]
    tiles = [pixels, *(_heat(pixels, row.unflatten(0, grid)) for row in maps)]
    labels = ["mean of heads", *(f"head {number}" for number in range(1, len(weights) + 1))]
    shares = [f"{label}, up to {row.max():.1%}" for label, row in zip(labels, maps, strict=True)]
    columns = min(len(tiles), 6) if len(tiles) <= 8 else -(-len(tiles) // -(-len(tiles) // 7))
    return contact_sheet(tiles, ["frame", *shares], columns, TILE)


def _heat(pixels: np.ndarray, values: Tensor) -> np.ndarray:
    """Draw a map (rows, columns) over the grey frame (H, W, 3)."""
    import cv2

    level = (values / values.max().clamp(min=1e-12) * 255).round().byte().numpy()
    heat = cv2.cvtColor(cv2.applyColorMap(level, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    height, width = pixels.shape[:2]
    heat = cv2.resize(heat, (width, height), interpolation=cv2.INTER_NEAREST)
    grey = cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(grey, 0.3, heat, 0.7, 0)


def pca_picture(
    pixels: np.ndarray, names: Sequence[str], tokens: Tensor, grid: tuple[int, int]
) -> bytes:
    """Draw frames (T, H, W, 3) above the three main components of all tokens (T, N, D) as RGB."""
    colours = robust_unit(principal_components(tokens.flatten(0, 1)))
    shown = (colours.unflatten(0, (len(tokens), *grid)) * 255).round().byte().numpy()
    height, width = pixels.shape[1:3]
    tiles = [*pixels, *(_blocks(image, height, width) for image in shown)]
    return contact_sheet(
        tiles, [*names, "main components", *[""] * (len(names) - 1)], len(names), TILE
    )


def _blocks(image: np.ndarray, height: int, width: int) -> np.ndarray:
    import cv2

    return cv2.resize(image, (width, height), interpolation=cv2.INTER_NEAREST)


def robust_unit(values: Tensor, low: float = 0.02, high: float = 0.98) -> Tensor:
    """Scale values (N, C) to 0..1, each column from quantile ``low`` to quantile ``high``."""
    bounds = torch.quantile(values, values.new_tensor([low, high]), dim=0)
    return ((values - bounds[0]) / (bounds[1] - bounds[0]).clamp(min=1e-12)).clamp(0, 1)


def principal_components(features: Tensor, components: int = 3) -> Tensor:
    """Return coordinates (N, components) of rows (N, D) along their main axes, the widest first.

    Signs are chosen so that an axis' largest loading is positive: pictures repeat.
    """
    centred = features.double() - features.double().mean(dim=0)
    _, axes = torch.linalg.eigh(centred.T @ centred)  # D x D: N may be large
    axes = axes.flip(1)[:, :components]
    largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    return (centred @ (axes * largest.sign())).float()


def best_matches(features: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """For each row (N, D) the number of the most similar of ``others`` (M, D), and its cosine."""
    normal = nn.functional.normalize
    cosine, best = (normal(features, dim=-1) @ normal(others, dim=-1).T).max(dim=-1)
    return best, cosine


def arrows(tokens: Tensor, grid: tuple[int, int], points: int = POINTS) -> dict[str, np.ndarray]:
    """Where patches of the first of two frames are found in the second.

    Args:
        tokens: (2, N, D).
        grid: rows and columns of the N patches.
        points: patches that are asked along the longer side, at most.

    Returns:
        ``start`` and ``end``: (P, 2) x and y of patch centres, in patches. ``cosine``: (P,).
        ``returns``: (P,) bool, whether the match's own best match lies next to the start or on it.
    """
    step = -(-max(grid) // points)
    rows, columns = (torch.arange((side - 1) % step // 2, side, step) for side in grid)
    asked = (rows[:, None] * grid[1] + columns).flatten()
    best, cosine = best_matches(tokens[0][asked], tokens[1])
    back, _ = best_matches(tokens[1][best], tokens[0])

    def place(number: Tensor) -> Tensor:
        return torch.stack([number % grid[1], number // grid[1]], dim=1)

    away = (place(back) - place(asked)).abs().amax(dim=1)
    return {
        "start": (place(asked) + 0.5).numpy(),
        "end": (place(best) + 0.5).numpy(),
        "cosine": cosine.numpy(),
        "returns": (away <= 1).numpy(),
    }


def arrows_picture(
    pixels: np.ndarray, names: Sequence[str], tokens: Tensor, grid: tuple[int, int]
) -> bytes:
    """Two frames (2, H, W, 3); on the second, arrows from each asked place to its best match.

    Colours are cosines. Arrows are faint where the match does not lead back to where it came from.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = pixels.shape[1:3]
    found, scale = arrows(tokens, grid), np.array([width / grid[1], height / grid[0]])
    start, move = found["start"] * scale, (found["end"] - found["start"]) * scale
    limits = np.quantile(found["cosine"], [0.05, 1])  # a few lost patches would take all colours
    look: dict[str, Any] = {"cmap": "plasma", "norm": _norm(*limits)}
    figure = Figure(figsize=(5 * 2 * width / height + 1.2, 5.6), dpi=100, layout="constrained")
    axes = figure.subplots(1, 2)
    for panel, frame, name in zip(axes, pixels, names, strict=True):
        panel.imshow(frame, extent=(0, width, height, 0), alpha=0.75)
        panel.set_title(f"frame {name}")
        panel.set_axis_off()
    dots = {"c": found["cosine"], "s": 14, "edgecolors": "black", "linewidths": 0.4}
    axes[0].scatter(*start.T, **dots, **look)
    stay = ~move.any(axis=1)
    axes[1].scatter(*start[stay].T, **{**dots, "c": found["cosine"][stay]}, **look)
    for faint in (True, False):
        kept = found["returns"] != faint
        drawn = axes[1].quiver(
            *start[kept].T, *move[kept].T, found["cosine"][kept], angles="xy", scale_units="xy",
            scale=1, width=0.004, alpha=0.3 if faint else 1, **look,
        )  # fmt: skip
    figure.colorbar(drawn, ax=axes, label="cosine of the best match", shrink=0.9)
    share = found["returns"].mean()
    figure.suptitle(
        f"best match of a patch (a dot: in its own place); {share:.0%} lead back, others are faint"
    )
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return jpeg(np.asarray(canvas.buffer_rgba())[..., :3])


def _norm(low: float, high: float) -> Any:
    from matplotlib.colors import Normalize

    return Normalize(low, max(high, low + 1e-6))
