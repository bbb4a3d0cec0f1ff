import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from siammae.data.built_in.label_names import JOINTS, PARTS
from siammae.data.built_in.puppet_scene import OUTFITS, PuppetScene, PuppetStyle
from siammae.data.built_in.puppets import Puppets, frame_number, write_joints
from siammae.system.errors import DataError

QUIET = PuppetStyle(size=160, grain=0.8, light=0.0, noise=0.0, pan=(0.0, 0.0), shake=0.0)


@pytest.fixture(scope="module")
def puppets(tmp_path_factory):
    made = Puppets(str(tmp_path_factory.mktemp("puppets")), frames=6)
    made.prepare()
    return made


def scene(seed, action="walk", outfit=0, style=QUIET, frames=20, leaves=False):
    rng = np.random.default_rng(seed)
    return PuppetScene(rng, style, frames, action, OUTFITS[outfit], leaves)


def test_the_layout_of_jhmdb(puppets):
    root = puppets.jhmdb_root
    lists = {path.name: path.read_text() for path in (root / "splits").iterdir()}
    assert lists == {
        "walk_test_split1.txt": "puppet_walk_00.avi 2\npuppet_walk_02.avi 2\n",
        "wave_test_split1.txt": "puppet_wave_01.avi 2\npuppet_wave_03.avi 2\n",
    }
    frames = sorted((root / "Rename_Images/walk/puppet_walk_00").iterdir())
    assert [path.name for path in frames] == [f"{t:05d}.png" for t in range(1, 7)]
    content = loadmat(root / "joint_positions/walk/puppet_walk_00/joint_positions.mat")
    assert content["pos_img"].shape == content["pos_world"].shape == (2, 15, 6)
    assert content["scale"].shape == content["viewpoint"].shape == (1, 6)


def test_the_layout_of_vip(puppets):
    root = puppets.vip_root
    assert (root / "lists/val_videos.txt").read_text().split() == [
        f"videos{n}" for n in range(1, 5)
    ]
    frames = sorted(path.stem for path in (root / "Images/videos1").glob("*.jpg"))
    masks = sorted(path.stem for path in (root / "Annotations/Category_ids/videos1").glob("*.png"))
    assert frames == masks == [f"{number:012d}" for number in (1, 26, 51, 126, 151, 176)]
    mask = Image.open(root / "Annotations/Category_ids/videos1" / f"{frames[0]}.png")
    assert mask.mode == "P"


def test_frame_numbers_have_a_larger_gap():
    steps = np.diff([frame_number(t, 20) for t in range(20)])
    assert set(steps.tolist()) == {25, 75}


def test_all_parts_are_shown(puppets):
    folder = puppets.vip_root / "Annotations/Category_ids"
    shown = {
        int(i) for path in folder.rglob("*.png") for i in np.unique(np.asarray(Image.open(path)))
    }
    assert shown == set(range(20))


def test_a_mat_file_counts_from_one(tmp_path):
    joints = np.zeros((2, 15, 3))
    joints[:, 4, 1] = 79.0, 19.5
    write_joints(tmp_path / "a.mat", joints, 160, 80.0)
    content = loadmat(tmp_path / "a.mat")
    assert content["pos_img"][:, 4, 1].tolist() == [80.0, 20.5]
    assert content["pos_img"][:, 0, 0].tolist() == [1.0, 1.0]
    x, y = content["pos_world"][:, 4, 1]  # JHMDB: ((x/W - 0.5) W/H / scale, (y/H - 0.5) / scale)
    assert (x, y) == pytest.approx(((80 / 160 - 0.5) / 0.5, (20.5 / 160 - 0.5) / 0.5))


@pytest.mark.parametrize("action", ["walk", "wave"])
@pytest.mark.parametrize("outfit", range(4))
def test_joints_lie_in_the_parts_that_they_belong_to(action, outfit):
    """Every joint is on the figure, the face in the face and the ankles in shoe, sock or leg."""
    drawn = scene([3, outfit], action, outfit)
    for t in (0, 7, 19):
        _, parts, joints = drawn.frame(t)
        at = [PARTS[parts[y, x]] for x, y in np.round(joints).astype(int).T]
        found = dict(zip(JOINTS, at, strict=True))
        assert "background" not in at
        assert found["face"] in ("face", "sunglasses", "hair")
        legwear = {"pants", "skirt", "dress"}
        for side in ("right", "left"):
            other = "left" if side == "right" else "right"  # may be in front of it
            near = {f"{s} {p}" for s in (side, other) for p in ("leg", "shoe")} | {"socks"}
            assert found[f"{side} ankle"] in near
            assert found[f"{side} knee"] in near | legwear | {f"{side} arm"}


def test_right_and_left_of_a_figure_that_looks_at_the_viewer():
    _, parts, joints = scene(5, "wave").frame(0)
    place = dict(zip(JOINTS, joints.T, strict=True))
    for joint in ("shoulder", "hip", "knee", "ankle"):
        assert place[f"right {joint}"][0] < place[f"left {joint}"][0]
    columns = {part: np.nonzero(parts == PARTS.index(part))[1].mean() for part in PARTS[16:]}
    assert columns["right leg"] < columns["left leg"]
    assert columns["right shoe"] < columns["left shoe"]
    assert place["face"][1] < place["neck"][1] < place["belly"][1] < place["right knee"][1]


def test_limbs_keep_their_lengths():
    drawn = scene(6)
    joints = np.stack([drawn.frame(t)[2] for t in range(20)], axis=2)
    place = dict(zip(JOINTS, joints.transpose(1, 0, 2), strict=True))
    for one, other in (
        ("hip", "knee"),
        ("knee", "ankle"),
        ("shoulder", "elbow"),
        ("elbow", "wrist"),
    ):
        for side in ("right", "left"):
            lengths = np.linalg.norm(place[f"{side} {one}"] - place[f"{side} {other}"], axis=0)
            assert np.ptp(lengths) < 1e-9


@pytest.mark.parametrize("action", ["walk", "wave"])
def test_joints_move_by_fractions_of_a_pixel_and_far(action):
    joints = np.stack([scene(7, action).frame(t)[2] for t in range(20)], axis=2)
    steps = np.linalg.norm(np.diff(joints, axis=2), axis=0)
    assert np.abs(steps - np.round(steps)).mean() > 0.01
    assert steps.max() < 16  # a texture can be followed
    ways = np.linalg.norm(joints - joints[:, :, :1], axis=0).max(axis=1)
    assert ways.max() > 20


def test_the_texture_lies_still_on_a_limb():
    """A patch at the neck of the first frame is found again at the neck, to the nearest pixel."""
    drawn = scene(8, "wave", 0)
    (one, _, start), (other, _, end) = drawn.frame(0), drawn.frame(1)

    def around(picture, joint):
        x, y = np.round(joint).astype(int)
        return picture[y - 4 : y + 5, x - 4 : x + 5].astype(float)

    belly = JOINTS.index("belly")
    right = np.abs(around(one, start[:, belly]) - around(other, end[:, belly])).mean()
    wrong = np.abs(around(one, start[:, belly]) - around(other, end[:, belly] + [6, 3])).mean()
    assert right < wrong / 2


def test_a_figure_that_leaves_takes_joints_out_of_the_picture():
    drawn = scene(9, leaves=True)
    first, last = drawn.frame(0)[2], drawn.frame(19)[2]
    size = drawn.style.size
    assert ((first >= 0) & (first <= size - 1)).all()
    outside = ((last < 0) | (last > size - 1)).any(axis=0)
    assert 0 < outside.sum() < 15
    stays = scene(9).frame(19)[2]
    assert ((stays >= 0) & (stays <= size - 1)).all()


def test_a_limb_outside_the_picture_is_not_drawn():
    drawn = scene(10)
    piece = drawn.pieces[0]
    picture, parts = np.zeros((160, 160, 3), np.float32), np.zeros((160, 160), np.uint8)
    for far in ([-90.0, 20.0], [400.0, 20.0], [20.0, -90.0], [20.0, 400.0]):
        points = {piece.limb.start: np.array(far), piece.limb.end: np.array(far) + 5}
        piece.draw(picture, parts, points)
    assert not picture.any()
    assert not parts.any()


def test_a_shaken_camera_moves_figure_and_ground_alike():
    """What it sees is the same as without, elsewhere; joints and parts go with it."""
    still, shaken = scene(11, outfit=1), scene(11, outfit=1)
    shaken.shake[:] = 6, -4
    (one, parts, joints), (other, moved, places) = still.frame(5), shaken.frame(5)
    np.testing.assert_allclose(places - joints, [[6.0] * 15, [-4.0] * 15])
    inside, there = np.s_[20:140, 20:140], np.s_[16:136, 26:146]
    assert np.array_equal(moved[there], parts[inside])
    assert np.abs(other[there].astype(int) - one[inside]).max() <= 1


def test_the_camera_shakes_within_its_bounds_and_every_frame():
    drawn = scene(12, style=PuppetStyle(size=160, shake=5.0), frames=50)
    assert np.abs(drawn.shake).max() <= 5
    assert np.abs(drawn.shake).max(axis=0).min() > 3
    assert np.abs(np.diff(drawn.shake, axis=0)).min() > 0


@pytest.mark.parametrize("action", ["walk", "wave"])
def test_the_figure_stays_in_a_shaken_picture(action):
    for seed in range(4):
        joints = [scene(seed, action, style=PuppetStyle()).frame(t)[2] for t in (0, 9, 19)]
        assert 0 <= np.min(joints) <= np.max(joints) <= PuppetStyle().size - 1


def test_colours_tell_little_of_parts_and_ground():
    """Mean colours of what a figure wears lie near one another, against the textures' contrast."""
    picture, parts, _ = scene(13, "wave", 1).frame(0)
    shown = [p for p in np.unique(parts) if (parts == p).sum() > 100]
    means = np.array([picture[parts == p].mean(axis=0) for p in shown])
    assert len(shown) > 6
    assert means.std(axis=0).mean() < picture.std(axis=(0, 1)).mean() / 2


def test_scenes_follow_from_the_seed_alone():
    for one, other in zip(scene(3).frame(4), scene(3).frame(4), strict=True):
        assert np.array_equal(one, other)
    assert not np.array_equal(scene(3).frame(4)[2], scene(4).frame(4)[2])


def test_a_set_is_the_same_wherever_it_is_written(puppets, tmp_path):
    again = Puppets(str(tmp_path), frames=6)
    again.prepare()
    files = sorted(path.relative_to(again.folder) for path in again.folder.rglob("*.*"))
    assert files == sorted(p.relative_to(puppets.folder) for p in puppets.folder.rglob("*.*"))
    for path in files:
        one, other = puppets.folder / path, again.folder / path
        if path.suffix == ".mat":  # its header holds the time
            assert np.array_equal(loadmat(one)["pos_img"], loadmat(other)["pos_img"])
        elif path.is_file():
            assert one.read_bytes() == other.read_bytes()


def test_other_parameters_are_another_set(puppets):
    prints = {
        puppets.fingerprint(),
        Puppets(clips=3, frames=6).fingerprint(),
        Puppets(frames=7).fingerprint(),
        Puppets(frames=6, seed=1).fingerprint(),
        Puppets(frames=6, style=QUIET).fingerprint(),
    }
    assert len(prints) == 5
    assert Puppets("elsewhere", frames=6).fingerprint() == puppets.fingerprint()


def test_a_set_that_is_there_is_not_written_again(puppets):
    path = puppets.vip_root / "lists/val_videos.txt"
    before = path.stat().st_mtime_ns
    Puppets(puppets.root, frames=6).prepare()
    assert path.stat().st_mtime_ns == before


def test_an_interrupted_first_use_heals(tmp_path):
    script = (
        f"from siammae.data.built_in.puppets import Puppets; Puppets({str(tmp_path)!r}).prepare()"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("*.png")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(tmp_path.glob(".unfinished-*"))
    again = Puppets(str(tmp_path), clips=1, frames=2)
    again.prepare()
    assert len(list(again.jhmdb_root.rglob("*.png"))) == 2
    assert not Puppets(str(tmp_path)).folder.exists()


def test_a_root_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"benchmark\.source\.root=.*file/x cannot be written"):
        Puppets(str(tmp_path / "file" / "x")).prepare()


def test_too_few(tmp_path):
    with pytest.raises(ValueError, match="clips >= 1 and frames >= 2, not 0 and 1"):
        Puppets(str(tmp_path), clips=0, frames=1)
