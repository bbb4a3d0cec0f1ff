"""Training by a manifest."""

from pathlib import Path
from shutil import copy

import pytest

from siammae.data.auditing.run_audit import AuditSettings, audit
from siammae.data.manifests.manifest import read_manifest, write_manifest
from siammae.data.sets.ucf101 import UCF101
from siammae.data.sets.videos import Videos
from siammae.system.errors import DataError


@pytest.fixture
def folder(tmp_path, moving_clip):
    root = tmp_path / "clips"
    (root / "a").mkdir(parents=True)
    moving_clip(root / "a" / "one.mp4", 20)
    moving_clip(root / "two.avi", 20, codec="mpeg4")
    (root / "broken.mp4").write_bytes(b"no video")
    return root


def audited(root, manifest):
    audit(Videos(str(root)), manifest, AuditSettings(workers=1))
    return Videos(str(root), manifest=str(manifest))


def test_broken_clips_are_left_out(folder, tmp_path):
    clips = audited(folder, tmp_path / "m.parquet").footage()
    assert [path.name for path in clips.paths] == ["one.mp4", "two.avi"]
    assert [clips.open(number).frames for number in range(2)] == [20, 20]
    assert sorted(clips.turn(0, visit) for visit in range(2)) == [0, 1]


def test_no_frame_beyond_what_the_manifest_says(folder, tmp_path):
    source = audited(folder, tmp_path / "m.parquet")
    rows = read_manifest(Path(source.manifest))
    rows[0].usable = 11
    write_manifest(Path(source.manifest), rows)
    clip = Videos(str(folder), manifest=source.manifest).footage().open(0)
    assert (clip.frames, clip.fps, len(list(clip.in_order(range(11))))) == (11, 25.0, 11)


def test_the_fingerprint_says_clips_and_not_the_place(folder, tmp_path):
    plain = Videos(str(folder)).fingerprint()
    source = audited(folder, tmp_path / "m.parquet")
    first = source.fingerprint()
    assert first != plain
    moved = folder.rename(tmp_path / "moved")
    assert Videos(str(moved), manifest=source.manifest).fingerprint() == first
    assert Videos(str(moved)).fingerprint() == plain
    # A broken file more is no other set of clips; another good one is.
    (moved / "text.mp4").write_text("text")
    assert audited(moved, tmp_path / "second.parquet").fingerprint() == first
    (moved / "three.mp4").write_bytes((moved / "a" / "one.mp4").read_bytes())
    assert audited(moved, tmp_path / "third.parquet").fingerprint() != first


def test_another_end_is_another_fingerprint(folder, tmp_path):
    first = audited(folder, tmp_path / "m.parquet")
    rows = read_manifest(Path(first.manifest))
    rows[0].usable = 19
    write_manifest(tmp_path / "other.parquet", rows)
    second = Videos(str(folder), manifest=str(tmp_path / "other.parquet"))
    assert second.fingerprint() != first.fingerprint()


def test_a_manifest_that_does_not_fit_is_one_line_with_the_remedy(folder, tmp_path):
    manifest = tmp_path / "m.parquet"
    source = audited(folder, manifest)
    renew = f"renew it with python -m siammae.audit data=videos data.root={folder} out={manifest}"
    (folder / "broken.mp4").write_bytes(b"was loaded again")
    with pytest.raises(DataError, match=r"broken\.mp4 has 16 bytes, not 8; renew") as raised:
        source.footage()
    assert renew in str(raised.value)
    assert "\n" not in str(raised.value)
    audited(folder, manifest).footage()
    (folder / "later.mp4").write_bytes(b"")
    with pytest.raises(DataError, match=r"later\.mp4 is not in it; renew"):
        Videos(str(folder), manifest=str(manifest)).footage()


@pytest.mark.parametrize("content", [b"", b"PAR1", b"a text" * 99, None])
def test_what_is_no_manifest_is_named(folder, tmp_path, content):
    path = tmp_path / "m.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"m\.parquet.*no (such )?manifest"):
        Videos(str(folder), manifest=str(path)).fingerprint()
    if content is not None:
        with pytest.raises(DataError, match=r"m\.parquet.*no manifest"):
            audit(Videos(str(folder)), path, AuditSettings())


def test_a_table_of_something_else_is_no_manifest(folder, tmp_path):
    import pandas as pd

    pd.DataFrame({"path": ["x"]}).to_parquet(tmp_path / "m.parquet")
    with pytest.raises(DataError, match="has no column 'bytes'"):
        Videos(str(folder), manifest=str(tmp_path / "m.parquet")).footage()


def test_no_clip_left_is_reported(tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "x.mp4").write_bytes(b"x")
    source = audited(tmp_path / "clips", tmp_path / "m.parquet")
    with pytest.raises(DataError, match="none of its 1 clips can be read"):
        source.footage()


def test_a_published_set_leaves_out_what_the_manifest_says(folder, tmp_path):
    (folder / "UCF-101" / "Surfing").mkdir(parents=True)
    for name in ("g01_c01", "g01_c02"):
        copy(folder / "two.avi", folder / "UCF-101" / "Surfing" / f"v_Surfing_{name}.avi")
    (folder / "UCF-101" / "Surfing" / "v_Surfing_g01_c02.avi").write_bytes(b"no video")
    root, manifest = str(folder / "UCF-101"), tmp_path / "m.parquet"
    audit(UCF101(root), manifest, AuditSettings(workers=1))
    source = UCF101(root, manifest=str(manifest))
    assert [path.stem for path in source.footage().paths] == ["v_Surfing_g01_c01"]
    assert source.fingerprint() != UCF101(root).fingerprint()
