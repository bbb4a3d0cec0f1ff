"""The figures of a clip, as a row whose mean over clips is the figure of all."""

from typing import Any

import numpy as np

from siammae.evaluation.scores.calibration import (
    Residuals,
    calibration_error,
    log_likelihood,
    ranking,
    shares_below,
    squared_z,
)

DIGITS = 6  # of what rows keep for figures
MEANS = (
    *("log-likelihood-scaled", "log-likelihood", "MSE", "AUSE", "AURG", "correlation"),
    *("sharpness", "sharpness-scaled", "z2", "z2-scaled", "temperature"),
)


def row_of(known: Residuals, gaps: np.ndarray, factor: float) -> dict[str, Any]:
    """A clip's row.

    ``below`` are the shares of values below the quantiles of `LEVELS`; ``left`` and ``oracle`` the
    sparsification curves; ``gap``, ``MSE-of-gap`` and ``z2-scaled-of-gap`` are of its pairs.

    Args:
        known: of the F pairs of a clip.
        gaps: (F,), in frames.
        factor: the temperature, for what has ``-scaled`` behind.
    """
    frames = [ranking(error, std) for error, std in zip(known.error, known.std, strict=True)]
    squares, sharpness = np.square(known.error), float(known.std.mean())
    return {
        "log-likelihood-scaled": log_likelihood(known, factor),
        "log-likelihood": log_likelihood(known),
        "MSE": float(squares.mean()),
        "AUSE": float(np.mean([frame.ause for frame in frames])),
        "AURG": float(np.mean([frame.aurg for frame in frames])),
        "correlation": float(np.mean([frame.correlation for frame in frames])),
        "sharpness": sharpness,
        "sharpness-scaled": factor * sharpness,
        "z2": float(squared_z(known).mean()),
        "z2-scaled": float(squared_z(known, factor).mean()),
        "temperature": factor,
        "below": _kept(shares_below(known)),
        "below-scaled": _kept(shares_below(known, factor)),
        "left": _kept(np.mean([frame.curve for frame in frames], axis=0)),
        "oracle": _kept(np.mean([frame.oracle for frame in frames], axis=0)),
        "gap": gaps.tolist(),
        "MSE-of-gap": _kept(squares.mean(axis=1)),
        "z2-scaled-of-gap": _kept(squared_z(known, factor)),
    }


def total(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The figures of all clips: means, and the calibration error of the mean shares."""
    found = {name: float(np.mean([row[name] for row in rows])) for name in MEANS}
    for kind in ("", "-scaled"):
        shares = np.mean([row[f"below{kind}"] for row in rows], axis=0)
        found[f"ECE{kind}"] = calibration_error(shares)
    return found


def _kept(values: np.ndarray) -> list[float]:
    return [round(float(value), DIGITS) for value in values]
