"""Frames of a clip at even distances: in the clip, as far apart as is said, or as far as fits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siammae.data.sampling.clip_frames import ClipFrames
from siammae.system.errors import DataError


@given(
    count=st.integers(1, 20), stride=st.integers(1, 9), step=st.integers(1, 4),
    frames=st.integers(1, 200), seed=st.integers(0, 2**32),
)  # fmt: skip
def test_frames_are_evenly_spaced_in_the_clip(count, stride, step, frames, seed):
    targets, rng = ClipFrames(count, stride), np.random.default_rng(seed)
    assert targets.count == count - 1
    if frames < count:
        with pytest.raises(DataError, match=f"has {frames} frames; targets.frames={count} are"):
            targets.draw(rng, frames, 1 / step)
        return
    offsets = targets.draw(rng, frames, 1 / step)
    assert len(offsets.frames) == count
    assert 0 <= offsets.frames[0] <= offsets.frames[-1] < frames
    wanted = max(1, int(stride / step + 0.5))
    found = set(np.diff(offsets.frames).tolist())
    if (count - 1) * wanted < frames:
        assert not offsets.short
        assert found <= {wanted}
    else:  # no larger stride would fit
        assert offsets.short
        (own,) = found
        assert own < wanted
        assert (count - 1) * (own + 1) >= frames


def test_every_place_with_room_is_drawn():
    targets, rng = ClipFrames(3, 4), np.random.default_rng(0)
    assert {targets.draw(rng, 12).frames[0] for _ in range(200)} == {0, 1, 2, 3}


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"stride": 0}])
def test_what_is_no_clip_is_refused(wrong):
    with pytest.raises(ValueError, match="must be at least 1"):
        ClipFrames(**wrong)
