"""Scoring predicted distributions: their means and scales against what came true.

What each score means, and which of several published definitions it is:

- **ECE**: "expected calibration error" is ambiguous for regression. Here it is that of predicted
  quantiles (Kuleshov et al., arXiv:1807.00263): for each of `LEVELS` the share of values at or
  below the predicted quantile of that level, and the mean absolute difference of share and level.
  0 is calibrated; about 0.25 are scales that are far too small or too large. A scale that is the
  same everywhere can have 0, too: this does not measure whether the model knows where it errs.
- **Sparsification** and **AUSE** (Ilg et al., arXiv:1802.07095) measure that: patches are removed,
  the most uncertain first, and the mean error of the rest is drawn over the removed share. The
  oracle removes by the true error. AUSE is the area between both curves, AURG that between the
  model's and a random order's, which is 1 at any share. Error is a patch's RMSE, uncertainty the
  mean of its predicted standard deviations, and both curves are divided by the error of the whole
  frame. Curves are of one frame, as those of Poggi et al. (arXiv:2005.06209): what is asked is
  where in a frame the model errs. Where all patches err alike any order has a small AUSE: read it
  beside AURG, which is 0 for an order that knows nothing.
- **correlation**: Spearman's, of the same two figures over the patches of a frame.
- **sharpness**: the mean predicted standard deviation. **z2**: the mean squared z-score, 1 when the
  deviations are as large as predicted. **log-likelihood**: the mean log density of a value, in
  nats; a proper score, which sharpness and calibration both raise.

Knows nothing of models: numpy in, numbers out.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from siammae.evaluation.measuring.metric import PLAIN, Metric, OverVideos

FAMILIES = {"normal": "norm", "laplace": "laplace"}  # and their names in scipy.stats
LEVELS = np.arange(1, 20) / 20  # of the quantiles: 0.05 to 0.95
REMOVED = np.arange(20) / 20  # shares at which curves are kept
DIGITS = 6  # of what rows keep for figures
MEANS = (  # of clips, in the order of results
    Metric("log-likelihood-scaled", "more", PLAIN),  # in nats a value
    Metric("log-likelihood", "more", PLAIN),
    Metric("MSE", "less", PLAIN),  # of normalised pixels
    Metric("AUSE", "less", PLAIN),
    Metric("AURG", "more", PLAIN),
    Metric("correlation", "more", PLAIN),
    Metric("sharpness", "neither", PLAIN),
    Metric("sharpness-scaled", "neither", PLAIN),
    Metric("z2", "neither", PLAIN),
    Metric("z2-scaled", "neither", PLAIN),
    Metric("temperature", "neither", PLAIN),
)
OF_CALIBRATION = (
    *MEANS,
    *(
        Metric(
            f"ECE{kind}",
            "less",
            PLAIN,
            over_videos=OverVideos((f"below{kind}",), levels=tuple(LEVELS.tolist())),
        )
        for kind in ("", "-scaled")
    ),
)


@dataclass(frozen=True)
class Residuals:
    """What came true, measured by what was predicted: F frames, H patches each, P values a patch.

    family: of the distributions, ``normal`` or ``laplace``.
    z: (F, H, P), deviations from the mean in units of the scale, which for ``laplace`` is no
        standard deviation.
    log_scale: mean of the scales' logarithms.
    error: (F, H), root of the mean squared deviation of each patch.
    std: (F, H), mean predicted standard deviation of each patch.
    """

    family: str
    z: np.ndarray
    log_scale: float
    error: np.ndarray
    std: np.ndarray


def residuals(target: Any, mean: Any, scale: Any, family: str) -> Residuals:
    """Compare what was predicted with what came true.

    Args:
        target, mean: (F, H, P).
        scale: above 0, (F, H, P) or (F, H, 1).
        family: see `Residuals`.

    Raises:
        ValueError: when the family is unknown, or a value is not finite or a scale not above 0.
    """
    if family not in FAMILIES:
        raise ValueError(f"family {family} is none of {', '.join(FAMILIES)}")
    off = np.asarray(target, np.float32) - np.asarray(mean, np.float32)
    scale = np.asarray(scale, np.float64)
    if not (np.isfinite(off).all() and np.isfinite(scale).all() and (scale > 0).all()):
        raise ValueError("what is predicted is NaN or infinite, or a scale is not above 0")
    unit = float(_distribution(family).std())  # a scale's standard deviation
    return Residuals(
        family,
        (off / scale).astype(np.float32),
        float(np.log(scale).mean()),
        np.sqrt(np.square(off, dtype=np.float64).mean(axis=-1)),
        unit * scale.mean(axis=-1),
    )


def temperature(known: Iterable[Residuals]) -> float:
    """Return the factor of all scales that makes what came true most likely.

    In closed form: of normals the root of the mean squared z-score, of Laplace distributions the
    mean absolute one.

    Raises:
        ValueError: when there is nothing to fit it to, or several families.
    """
    known = list(known)
    families = {each.family for each in known}
    if len(families) != 1:
        raise ValueError(f"one temperature is fitted to one family, not to {sorted(families)}")
    power = {"normal": 2, "laplace": 1}[families.pop()]
    count = sum(each.z.size for each in known)
    total = sum(float((np.abs(each.z, dtype=np.float64) ** power).sum()) for each in known)
    return max((total / count) ** (1 / power), float(np.finfo(np.float32).tiny))


def log_likelihood(known: Residuals, factor: float = 1.0) -> float:
    """Return the mean log density of a value, in nats, scales being multiplied by ``factor``."""
    density = _distribution(known.family).logpdf(known.z.astype(np.float64) / factor)
    return float(density.mean()) - known.log_scale - float(np.log(factor))


def squared_z(known: Residuals, factor: float = 1.0) -> np.ndarray:
    """Return the mean squared z-score of each frame (F,); 1 is right."""
    deviation = factor * float(_distribution(known.family).std())
    squares: np.ndarray = np.square(known.z, dtype=np.float64).mean(axis=(1, 2)) / deviation**2
    return squares


def shares_below(known: Residuals, factor: float = 1.0) -> np.ndarray:
    """Return the share of values at or below the predicted quantile of each level (19,)."""
    quantiles = _distribution(known.family).ppf(LEVELS) * factor
    place = np.searchsorted(quantiles, known.z.ravel(), side="left")
    counts = np.bincount(place, minlength=len(LEVELS) + 1)[:-1]
    return counts.cumsum() / known.z.size


def _distribution(family: str) -> Any:
    """Return the family of scipy.stats, which is imported here because it takes a while."""
    from scipy import stats

    return getattr(stats, FAMILIES[family])


def calibration_error(shares: np.ndarray) -> float:
    """Return the mean absolute difference of the shares (19,) from the levels."""
    return float(np.abs(shares - LEVELS).mean())


def sparsification(error: np.ndarray, uncertainty: np.ndarray) -> np.ndarray:
    """Return the mean error of what is left when 0, 1, ... H - 1 patches are removed, (H,).

    The most uncertain go first; of patches that are equally uncertain a random one, on average. In
    units of the mean error of all; ones when that is zero.

    Args:
        error, uncertainty: (H,).
    """
    if not error.any():
        return np.ones(len(error))
    _, group = np.unique(uncertainty, return_inverse=True)
    alike = np.bincount(group, error) / np.bincount(group)  # the mean error of each group
    expected = alike[group][np.argsort(uncertainty, kind="stable")]  # the surest first
    kept = np.arange(1, len(error) + 1)
    return (expected.cumsum() / kept)[::-1] / error.mean()


@dataclass(frozen=True)
class Ranking:
    """Whether a model knows where in a frame it errs.

    curve, oracle: (20,), the error that is left at each of `REMOVED`. ause, aurg, correlation: see
    the module. A spread that is the same everywhere has the correlation 0.
    """

    curve: np.ndarray
    oracle: np.ndarray
    ause: float
    aurg: float
    correlation: float


def ranking(error: np.ndarray, std: np.ndarray) -> Ranking:
    """Compare the order of one frame's patches by expected and by true error.

    Args:
        error, std: (H,), see `Residuals`.
    """
    from scipy import stats

    removed = np.arange(len(error)) / len(error)
    curve, oracle = sparsification(error, std), sparsification(error, error)
    varies = np.ptp(error) > 0 and np.ptp(std) > 0
    return Ranking(
        np.interp(REMOVED, removed, curve),
        np.interp(REMOVED, removed, oracle),
        _area(curve - oracle, removed),
        _area(1 - curve, removed),
        float(stats.spearmanr(std, error).statistic) if varies else 0.0,
    )


def _area(heights: np.ndarray, places: np.ndarray) -> float:
    """Return the area below a curve; what is but rounding is 0."""
    area = float(np.trapezoid(heights, places))
    return 0.0 if abs(area) < 1e-12 else area


def row_of(known: Residuals, gaps: np.ndarray, factor: float) -> dict[str, Any]:
    """Return a clip's row.

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
    """Return the figures of all clips: means, and the calibration error of the mean shares."""
    found = {name: float(np.mean([row[name] for row in rows])) for name in map(str, MEANS)}
    for kind in ("", "-scaled"):
        shares = np.mean([row[f"below{kind}"] for row in rows], axis=0)
        found[f"ECE{kind}"] = calibration_error(shares)
    return found


def _kept(values: np.ndarray) -> list[float]:
    return [round(float(value), DIGITS) for value in values]
