import pytest

from siammae.data.sets.ucf101 import UCF101
from siammae.system.errors import DataError

TRAIN = ["ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01", "HandstandPushups/v_HandstandPushups_g08_c02"]
TEST = ["ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01", "HandstandPushups/v_HandstandPushups_g01_c01"]


@pytest.fixture(params=["UCF-101/", "", "videos/"])
def root(request, put, tmp_path):
    put(*(f"set/{request.param}{name}.avi" for name in TRAIN + TEST))
    lists = tmp_path / "set" / "ucfTrainTestlist"
    lists.mkdir()
    written = [name.replace("/v_Handstand", "/v_HandStand") for name in TRAIN]  # as published
    text = "".join(f"{name}.avi {label}\r\n" for label, name in enumerate(written, 1))
    (lists / "trainlist01.txt").write_text(text)
    (lists / "testlist01.txt").write_text("".join(f"{name}.avi\n" for name in TEST))
    (lists / "classInd.txt").write_text("1 ApplyEyeMakeup\n2 HandstandPushups\n")
    return tmp_path / "set"


def names(source):
    return [f"{path.parent.name}/{path.stem}" for path in source.videos()]


def test_all_clips_and_official_splits(root):
    assert names(UCF101(str(root))) == sorted(TRAIN + TEST)
    assert names(UCF101(str(root), split="train1")) == TRAIN
    assert names(UCF101(str(root), split="test1")) == TEST
    clip = UCF101(str(root)).footage().open(0)
    assert (clip.frames, clip.step) == (8, 1)


def test_a_split_without_its_list(root):
    with pytest.raises(DataError, match=r"split=test3 needs testlist03\.txt, which is not below"):
        UCF101(str(root), split="test3").videos()
    with pytest.raises(ValueError, match="split=train: there are all, train1"):
        UCF101(str(root), split="train")


def test_clips_that_a_list_names_and_nobody_has(root):
    next(root.rglob("v_HandstandPushups_g08_c02.avi")).unlink()
    with pytest.raises(DataError, match=r"01\.txt: 1 of the 2 clips .*v_handstandpushups_g08_c02"):
        UCF101(str(root), split="train1").videos()
    (root / "ucfTrainTestlist/trainlist01.txt").write_text("\n")
    with pytest.raises(DataError, match=r"trainlist01\.txt lists no clip of data\.split=train1"):
        UCF101(str(root), split="train1").videos()


def test_lists_without_clips(root):
    for path in root.rglob("*.avi"):
        path.unlink()
    with pytest.raises(DataError, match="holds no video"):
        UCF101(str(root), split="train1").videos()
