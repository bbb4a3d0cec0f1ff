"""Every odd file is accounted for, and what is read through the manifest is what is in the file."""

import av
import numpy as np
import pandas as pd
import pytest

from siammae.data.auditing.run_audit import AuditSettings, audit
from siammae.data.manifests.facts import Facts
from siammae.data.sets.videos import Videos

BROKEN = {
    "empty.mp4": "cannot be opened as a video",
    "text.mp4": "cannot be opened as a video",
    "headless.mp4": "cannot be opened as a video",
    "sound.mp4": "has no video stream",
    "one.mp4": "has 1 frame(s); a pair needs two",
    "gone.mp4": "no such file",
}
# Each with a file of the same frames before it was spoilt.
SPOILT = {"cut.mp4": "plain/-good 'clip'! é.mp4", "flipped.mkv": "whole.mkv"}


@pytest.fixture(scope="module")
def audited(odd_files, tmp_path_factory):
    manifest = tmp_path_factory.mktemp("audits") / "odd.parquet"
    rows = audit(
        Videos(str(odd_files / "list.txt"), max_broken=1.0), manifest, AuditSettings(workers=2)
    )
    return manifest, {row.path: row for row in rows}


def check_frames(path, clip, expected):
    """Pairs as training reads them, against straight decoding."""
    rng = np.random.default_rng(0)
    assert 2 <= clip.frames <= len(expected)
    pairs = [sorted(rng.choice(clip.frames, 2, replace=False)) for _ in range(8)]
    for pair in [*pairs, [0, clip.frames - 1], [clip.frames - 2, clip.frames - 1]]:
        right = np.stack([expected[index] for index in pair]).astype(int)
        read = clip.read([int(index) for index in pair])
        assert read.shape == right.shape, path
        assert np.abs(read - right).max() <= 4, (path, pair)


def test_each_file_has_a_row_and_a_verdict(odd_files, audited):
    _, rows = audited
    listed = (odd_files / "list.txt").read_text().splitlines()
    assert list(rows) == listed
    broken = {name: row.reason for name, row in rows.items() if row.state == "broken"}
    assert set(broken) == set(BROKEN)
    for name, reason in broken.items():
        assert reason.startswith(BROKEN[name]), name
        assert rows[name].usable == 0
    assert {name for name, row in rows.items() if row.state == "damaged"} <= set(SPOILT)
    assert rows["flipped.mkv"].state == "damaged"


def test_frames_read_through_the_manifest_are_those_of_straight_decoding(
    odd_files, audited, decode_straight
):
    manifest, rows = audited
    source = Videos(str(odd_files / "list.txt"), short_side=None, manifest=str(manifest))
    source.max_broken = 1.0
    clips = source.footage()
    seen = set()
    for number in range(len(clips)):
        path = clips.paths[number]
        name = path.relative_to(odd_files).as_posix()
        seen.add(name)
        clip = clips.open(number)
        assert clip.frames == rows[name].usable
        source = odd_files / SPOILT.get(name, name)
        expected = decode_straight(source, -1 if name == "turned.mov" else 0)
        check_frames(name, clip, expected)
        if name not in SPOILT:
            assert clip.frames == len(expected)
            assert rows[name].frames == len(expected)
    assert seen == {name for name, row in rows.items() if row.state != "broken"}


def test_facts_of_files(audited):
    _, rows = audited
    good = rows["plain/-good 'clip'! é.mp4"]
    found = (good.frames, good.header_frames, good.fps, good.width, good.height, good.codec)
    assert found == (40, 40, 25.0, 128, 96, "h264")
    assert (good.reader, good.usable, good.reason) == ("video", 40, "")
    assert (good.variable_rate, good.rotation, good.streams) == (False, 0, 1)
    assert good.duration == pytest.approx(1.6)
    turned = rows["turned.mov"]
    assert (turned.width, turned.height, turned.rotation) == (96, 128, 270)
    assert rows["moving.gif"].reader == "video"
    if "av1.mp4" in rows:
        assert (rows["av1.mp4"].codec, rows["av1.mp4"].reader) == ("av1", "video")
    assert rows["full chroma.mp4"].pixel_format == "yuv444p"
    assert rows["cut.mp4"].header_frames == 40
    assert rows["cut.mp4"].usable < 40


def test_the_manifest_is_plain_parquet(audited):
    manifest, rows = audited
    frame = pd.read_parquet(manifest)
    assert list(frame.columns) == list(Facts.__dataclass_fields__)
    assert list(frame["path"]) == list(rows)
    assert frame["usable"].sum() == sum(row.usable for row in rows.values())
    assert not frame["path"].str.startswith("/").any()


def test_times_between_frames_that_differ_are_reported(tmp_path):
    path = tmp_path / "variable.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number, np.uint8))
            frame.pts = number + 5 * (number > 10)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    (row,) = audit(Videos(str(tmp_path)), tmp_path / "m.parquet", AuditSettings(workers=1))
    assert row.variable_rate is True


def test_odd_real_files(real_data, tmp_path, decode_straight):
    """What stands before damage is read."""
    rows = {}
    manifest = tmp_path / "odd.parquet"
    for row in audit(Videos(str(real_data / "odd")), manifest, AuditSettings(workers=2)):
        rows[row.path] = row
    assert set(rows) == {path.name for path in (real_data / "odd").iterdir()}
    bad = {"audio_only.mp4", "empty_0bytes.mp4", "h264_one_frame.mp4", "text_not_video.mp4"}
    bad.add("truncated_half_moov_front_or_missing.mp4")
    assert {name for name, row in rows.items() if row.state == "broken"} == bad
    spoilt = {"bitflipped_h264.mp4": 75, "decord_corrupted.mp4": 28}
    assert {n: row.usable for n, row in rows.items() if row.state == "damaged"} == spoilt
    source = Videos(str(real_data / "odd"), short_side=None, manifest=str(manifest))
    clips = source.footage()
    assert len(clips) == len(rows) - len(bad)
    for number, path in enumerate(clips.paths):
        expected = path
        if path.name == "bitflipped_h264.mp4":
            expected = real_data / "clips" / "torchvision_R6llTwEh07w.mp4"
        if path.name == "decord_corrupted.mp4":  # its end is an error of PyAV's too
            assert clips.open(number).read([0, 27]).shape == (2, 720, 1280, 3)
            continue
        turned = -1 if path.name == "decord_video_90.mov" else 0
        check_frames(path.name, clips.open(number), decode_straight(expected, turned))
