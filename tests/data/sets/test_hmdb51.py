import pytest

from siammae.data.sets.hmdb51 import HMDB51
from siammae.system.errors import DataError

# Names as they are: with exclamation marks, ats, brackets and the like.
TAGS = {
    "brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0": 1,
    "brush_hair/Haare!_k@mmen_(lang)_brush_hair_h_cm_np1_ri_goo_1": 2,
    "brush_hair/-Brushing_'hair'_#1_brush_hair_u_cm_np1_le_bad_2": 0,
    "wave/50_FIRST_DATES_wave_f_cm_np1_fr_med_0": 2,
    "wave/prelinger & co; wave_f_nm_np1_fr_goo_37": 1,
}


@pytest.fixture(params=["", "videos/", "hmdb51_org/"])
def root(request, put, tmp_path):
    put(*(f"set/{request.param}{name}.avi" for name in TAGS))
    lists = tmp_path / "set" / "testTrainMulti_7030_splits"
    lists.mkdir()
    for action in ("brush_hair", "wave"):
        rows = [(name.split("/")[1], tag) for name, tag in TAGS.items() if name.startswith(action)]
        text = "".join(f"{name}.avi {tag} \n" for name, tag in rows)
        (lists / f"{action}_test_split2.txt").write_text(text)
    return tmp_path / "set"


def names(source):
    return [f"{path.parent.name}/{path.stem}" for path in source.videos()]


def test_all_clips_and_official_splits(root):
    assert names(HMDB51(str(root))) == sorted(TAGS)
    for split, wanted in (("train2", 1), ("test2", 2)):
        source = HMDB51(str(root), split=split)
        assert names(source) == sorted(name for name, tag in TAGS.items() if tag == wanted)
    assert HMDB51(str(root)).footage().open(1).frames == 8


def test_what_is_missing_is_reported(root):
    with pytest.raises(DataError, match=r"split=train1 needs \*_test_split1\.txt, which is not"):
        HMDB51(str(root), split="train1").videos()
    next(root.rglob("50_FIRST*.avi")).unlink()
    with pytest.raises(DataError, match=r"1 of the 2 clips .*: wave/50_FIRST_DATES"):
        HMDB51(str(root), split="test2").videos()
    (root / "testTrainMulti_7030_splits" / "wave_test_split2.txt").unlink()
    with pytest.raises(DataError, match=r"has no \*_test_split2\.txt for wave"):
        HMDB51(str(root), split="test2").videos()
