import json

import pytest

from siammae.data.sets.ssv2 import SomethingSomethingV2
from siammae.system.errors import DataError


@pytest.fixture(params=["20bn-something-something-v2/{}.webm", "videos/{}.mp4", "{}.webm"])
def root(request, put, tmp_path):
    put(*(f"set/{request.param.format(number)}" for number in (1, 78687, 100904)))
    put("set/preview.mp4")  # no clip of the set
    return tmp_path / "set"


def write(path, ids):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([{"id": i, "label": "holding 'something'"} for i in ids]))


def names(source):
    return [path.stem for path in source.videos()]


def test_all_clips_and_splits(root):
    assert names(SomethingSomethingV2(str(root))) == ["1", "100904", "78687"]
    write(root / "train.json", ["78687", "1"])
    write(root / "labels/something-something-v2-validation.json", ["100904"])
    assert names(SomethingSomethingV2(str(root), split="train")) == ["1", "78687"]
    assert names(SomethingSomethingV2(str(root), split="validation")) == ["100904"]
    assert SomethingSomethingV2(str(root)).footage().open(0).frames >= 6


def test_a_clip_in_two_formats_counts_once(root, put):
    put("set/78687.mp4", "set/78687.webm")
    assert names(SomethingSomethingV2(str(root))) == ["1", "100904", "78687"]


def test_what_is_missing_or_wrong_is_reported(root):
    wanted = r"split=test needs test\.json or \*-test\.json, .*data\.split=all takes every clip"
    with pytest.raises(DataError, match=wanted):
        SomethingSomethingV2(str(root), split="test").videos()
    write(root / "test.json", ["78687", "5"])
    with pytest.raises(DataError, match=r"test\.json: 1 of the 2 clips .*: 5; data\.max_broken"):
        SomethingSomethingV2(str(root), split="test").videos()
    (root / "test.json").write_text('[{"template": "x"}]')
    with pytest.raises(DataError, match=r"test\.json is no list of clips with an id each"):
        SomethingSomethingV2(str(root), split="test").videos()
    with pytest.raises(ValueError, match="split=val: there are all, train, validation, test"):
        SomethingSomethingV2(str(root), split="val")


def test_a_folder_of_other_clips(put, tmp_path):
    put("set/holiday.mp4")
    with pytest.raises(DataError, match=r"no clip of data\.split=all"):
        SomethingSomethingV2(str(tmp_path / "set")).videos()
