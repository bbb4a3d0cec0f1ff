"""What a picture shows of restored frames: the given one, and each target hidden and restored."""

from collections.abc import Sequence

from torch import Tensor, zeros_like

from siammae.methods.method import Column
from siammae.model.patches import patch_statistics, patchify, unpatchify
from siammae.model.restoration import RestoredFrame


def restored_columns(
    frames: Tensor, restored: Sequence[RestoredFrame], patch_size: int, gap: Tensor | None = None
) -> list[Column]:
    """Return columns: the given frame, then of each target masked, restored and true.

    Hidden patches are grey in the masked one. With several targets the last of the three has the
    frame's gap as its label. The prediction is in each patch's normalised space, so the true
    patch's mean and deviation turn it into pixels: the picture shows restored structure, not
    restored brightness.

    Args:
        frames: (B, T, 3, H, W), normalised; the last of them are the targets.
        restored: the targets, in the order of their frames.
        patch_size: side of a patch in pixels.
        gap: (B, T - 1), frames of the video from the given frame to each target.
    """
    given = frames.shape[1] - len(restored)
    seen = frames.float().cpu().unbind(1)
    columns = [Column(frame) for frame in seen[:given]]
    for number, (frame, target) in enumerate(zip(seen[given:], restored, strict=True)):
        hidden, filled = _masked_and_restored(frame, target, patch_size)
        labels = None
        if gap is not None and len(restored) > 1:
            labels = [f"{frames:+d}" for frames in gap[:, number].tolist()]
        columns += [Column(hidden), Column(filled), Column(frame, labels)]
    return columns


def _masked_and_restored(
    frame: Tensor, target: RestoredFrame, patch_size: int
) -> tuple[Tensor, Tensor]:
    """Return a frame (B, 3, H, W) with hidden patches grey, and with what was restored."""
    grid = (frame.shape[-2] // patch_size, frame.shape[-1] // patch_size)
    patches = patchify(frame, patch_size)
    index = target.mask.hidden.cpu().unsqueeze(-1).expand(-1, -1, patches.shape[-1])
    mean, deviation = patch_statistics(patches.gather(1, index))
    prediction = target.prediction.mean.float().cpu() * deviation + mean
    hidden = patches.scatter(1, index, zeros_like(prediction))  # zero: ImageNet's mean, grey
    filled = patches.scatter(1, index, prediction)
    return unpatchify(hidden, patch_size, grid), unpatchify(filled, patch_size, grid)
