import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from siammae.data.built_in.sprite_scene import Scene, SceneStyle
from siammae.data.built_in.sprites import Sprites
from siammae.data.reading.video import open_clip
from siammae.system.errors import DataError

SMALL = {"clips": 3, "frames": 10, "sequences": 2, "sequence_frames": 8}


@pytest.fixture(scope="module")
def sprites(tmp_path_factory):
    made = Sprites(str(tmp_path_factory.mktemp("sprites")), **SMALL)
    made.prepare()
    return made


def test_clips_are_real_videos(sprites):
    assert [path.name for path in sprites.videos()] == ["00000.mp4", "00001.mp4", "00002.mp4"]
    for path in sprites.videos():
        assert open_clip(path).read([0, 5]).shape == (2, 128, 128, 3)


def test_validation_set_has_the_layout_of_davis(sprites):
    root = sprites.benchmark_root
    names = (root / "ImageSets/2017/val.txt").read_text().split()
    assert names == ["sprites-00", "sprites-01"]
    for name in names:
        frames = sorted(p.name for p in (root / "JPEGImages/480p" / name).iterdir())
        masks = sorted(p.name for p in (root / "Annotations/480p" / name).iterdir())
        assert frames == [f"{t:05d}.jpg" for t in range(8)]
        assert masks == [f"{t:05d}.png" for t in range(8)]
        first = Image.open(root / "Annotations/480p" / name / "00000.png")
        assert first.mode == "P"
        assert first.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]
        ids = np.unique(np.asarray(first))
        assert ids.tolist() == list(range(len(ids)))
        assert len(ids) - 1 in (2, 3)


def test_an_object_leaves():
    """In every other validation sequence the last object is gone at the end."""
    scene = Scene(np.random.default_rng(0), SceneStyle(), 30, 3, leaver=True)
    assert 3 in scene.frame(0)[1]
    assert 3 not in scene.frame(29)[1]
    assert {1, 2} <= set(np.unique(scene.frame(29)[1]).tolist())


def test_scenes_follow_from_the_seed_alone():
    def draw(seed):
        scene = Scene(np.random.default_rng(seed), SceneStyle(), 12, 2)
        return [scene.frame(t) for t in (0, 7)]

    for (one, one_mask), (other, other_mask) in zip(draw(3), draw(3), strict=True):
        assert np.array_equal(one, other)
        assert np.array_equal(one_mask, other_mask)
    assert not np.array_equal(draw(3)[0][0], draw(4)[0][0])


def test_neither_colour_nor_brightness_says_objects_apart():
    """Without light and noise, objects and ground have nearly the same mean colour."""
    style = SceneStyle(light=0.0, noise=0.0, size=256)
    worst = []
    for seed in range(6):
        picture, mask = Scene(np.random.default_rng(seed), style, 4, 2).frame(0)
        means = [picture[mask == label].mean(axis=0) for label in range(3) if (mask == label).any()]
        worst.append(np.abs(np.array(means[1:]) - means[0]).max())
    assert np.median(worst) < 15  # of 255


def test_masks_move_with_the_objects():
    """A shortcut fails: the first mask covers little of the last."""
    overlaps = []
    for seed in range(8):
        length = Sprites.sequence_frames * Sprites.stride
        scene = Scene(np.random.default_rng(seed), SceneStyle(), length, 2)
        first, last = scene.frame(0)[1], scene.frame(length - 1)[1]
        for label in (1, 2):
            either = ((first == label) | (last == label)).sum()
            overlaps.append(((first == label) & (last == label)).sum() / max(either, 1))
    assert np.mean(overlaps) < 0.35


def test_light_changes_more_than_structure():
    """The mean brightness drifts by tens of grey levels within a sequence."""
    drifts = []
    for seed in range(6):
        scene = Scene(np.random.default_rng(seed), SceneStyle(), 120, 2)
        means = [scene.frame(t)[0].mean() for t in range(0, 120, 10)]
        drifts.append(max(means) - min(means))
    assert np.mean(drifts) > 15


def test_a_set_that_is_there_is_not_written_again(sprites):
    before = sprites.videos()[0].stat().st_mtime_ns
    Sprites(sprites.root, **SMALL).prepare()
    assert sprites.videos()[0].stat().st_mtime_ns == before


def test_other_parameters_are_another_set(sprites):
    prints = {sprites.fingerprint()}
    prints.add(Sprites(sprites.root, **{**SMALL, "clips": 4}).fingerprint())
    prints.add(Sprites(sprites.root, **SMALL, seed=1).fingerprint())
    prints.add(Sprites(sprites.root, **SMALL, style=SceneStyle(light=0.1)).fingerprint())
    assert len(prints) == 4
    assert Sprites("elsewhere", **SMALL).fingerprint() == sprites.fingerprint()


SCRIPT = "import json, sys; from siammae.data.built_in.sprites import Sprites; "
SCRIPT += "s = Sprites(sys.argv[1], **json.loads(sys.argv[2])); s.prepare(); print(s.folder)"


def start(root, **parameters):
    command = [sys.executable, "-c", SCRIPT, str(root), json.dumps({**SMALL, **parameters})]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_an_interrupted_first_use_heals(tmp_path):
    process = start(tmp_path, clips=200)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".unfinished-*/clips/*.mp4")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = list(tmp_path.glob(".unfinished-*"))
    assert left
    assert not Sprites(str(tmp_path), **{**SMALL, "clips": 200}).folder.exists()
    again = Sprites(str(tmp_path), **SMALL)
    again.prepare()
    assert len(again.videos()) == 3


def test_two_processes_at_once_make_one_good_set(tmp_path):
    processes = [start(tmp_path) for _ in range(2)]
    folders = {process.communicate(timeout=120)[0].split()[-1] for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert len(folders) == 1
    assert not list(tmp_path.glob(".unfinished-*"))
    assert len(Sprites(str(tmp_path), **SMALL).videos()) == 3


def test_a_root_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file/x cannot be written"):
        Sprites(str(tmp_path / "file" / "x"), **SMALL).prepare()
