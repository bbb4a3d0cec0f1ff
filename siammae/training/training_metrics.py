"""The metrics that training itself logs; a benchmark declares its own."""

import re

from siammae.evaluation.measuring.metric import PLAIN, Metric, undeclared

LOSS = Metric("train/loss", "less", PLAIN, "loss", over_videos=None)
# By name, or by a pattern of names where each future frame has one.
_OTHERS = {
    "train/mse": "less",  # of the predicted mean, in normalised pixels
    "train/sigma": "neither",  # mean predicted standard deviation, in normalised pixels
    "train/positives_found": "more",  # share of views whose nearest other view is their partner
    "train/teacher_entropy": "neither",  # of DINO's teacher, in nats
    "train/hidden_loss": "less",  # where visible patches count, too
    "train/visible_loss": "less",  # of visible patches, those near hidden ones counting more
    "train/restoration_loss": "less",  # ToBo: with all of the past frame's tokens
    "train/bottleneck_loss": "less",  # ToBo: with its CLS token alone
    "train/future_loss": "less",  # RSP: the future frame from the past frame and the posterior
    "train/kl": "neither",  # RSP: of posterior and prior, in nats
    "train/mae_loss": "less",  # RSP: of the future frame's hidden patches from its visible ones
    "train/accuracy": "more",  # share of samples whose class is the most likely one
    "train/probe_loss": "less",  # of a masking that learns
    r"train/loss_target_\d+": "less",
    r"train/gap_target_\d+": "neither",  # mean frame gap, in frames
}


def training_metric(name: str) -> Metric:
    """Return the metric of that name; one without unit or direction when it is unknown."""
    if name == LOSS.name:
        return LOSS
    for pattern, better in _OTHERS.items():
        if re.fullmatch(pattern, name):
            return Metric(name, better, PLAIN, over_videos=None)  # type: ignore[arg-type]
    return undeclared(name)
