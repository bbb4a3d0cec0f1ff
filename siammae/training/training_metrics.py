"""What the figures that training itself logs mean; a benchmark declares its own."""

import re

from siammae.evaluation.measuring.metric import PLAIN, Metric, undeclared

LOSS = Metric("train/loss", "less", PLAIN, "loss", over_videos=None)
# By their names, or patterns of them where there is one for each target frame.
_OTHERS = {
    "train/mse": "less",  # of the predicted mean, in normalised pixels
    "train/sigma": "neither",  # mean predicted standard deviation, in normalised pixels
    "train/probe_loss": "less",  # of a masking that learns
    r"train/loss_target_\d+": "less",
    r"train/gap_target_\d+": "neither",  # mean frame gap, in frames
}


def training_metric(name: str) -> Metric:
    """What a figure of training means; a plain number without direction when it is none of ours."""
    if name == LOSS.name:
        return LOSS
    for pattern, better in _OTHERS.items():
        if re.fullmatch(pattern, name):
            return Metric(name, better, PLAIN, over_videos=None)  # type: ignore[arg-type]
    return undeclared(name)
