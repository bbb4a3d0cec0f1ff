"""Sets whose clips are folders of images."""

import numpy as np
import pytest
from PIL import Image

from siammae.data.auditing.run_audit import AuditSettings, audit
from siammae.data.sampling.mixture import Mixture
from siammae.data.sets.sequences import Sequences
from siammae.system.errors import ConfigError


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    for name in ("-good one", "broken", "late", "odd size", "single"):
        (root / name).mkdir(parents=True)
        for number in range(1 if name == "single" else 8):
            width = 60 if name == "odd size" and number == 3 else 48
            picture = np.full((36, width, 3), 20 * number, np.uint8)
            Image.fromarray(picture).save(root / name / f"{number:04d}.png")
    for name, number in (("broken", 1), ("late", 5)):
        image = root / name / f"{number:04d}.png"
        image.write_bytes(image.read_bytes()[:60])
    return root


def test_folders_of_images_are_judged_and_read_up_to_where_they_break(root, tmp_path):
    manifest = tmp_path / "m.parquet"
    rows = {
        row.path: row for row in audit(Sequences(str(root)), manifest, AuditSettings(workers=1))
    }
    assert {name: (row.state, row.usable) for name, row in rows.items()} == {
        "-good one": ("whole", 8),
        "broken": ("broken", 0),
        "late": ("damaged", 5),
        "odd size": ("damaged", 3),
        "single": ("broken", 0),
    }
    assert rows["late"].reason.startswith("frame 5: 0005.png cannot be decoded")
    assert rows["odd size"].reason == "frame 3: 0003.png has 60x36 pixels, not 48x36"
    assert rows["broken"].reason.startswith("frame 1: 0001.png cannot be decoded")
    good = rows["-good one"]
    found = (good.reader, good.frames, good.width, good.height, good.codec)
    assert found == ("images", 8, 48, 36, "png")
    assert good.bytes == sum(path.stat().st_size for path in (root / "-good one").iterdir())

    source = Sequences(str(root), fps=12.0, manifest=str(manifest))
    clips = source.footage()
    assert [path.name for path in clips.paths] == ["-good one", "late", "odd size"]
    assert [clips.open(number).frames for number in range(3)] == [8, 5, 3]
    clip = clips.open(1)
    assert (clip.fps, clip.step) == (12.0, 1)
    assert [frame.mean() for frame in clip.read([0, 4])] == [0, 80]
    assert source.fingerprint() != Sequences(str(root)).fingerprint()


def test_a_mixture_is_audited_part_by_part(root, tmp_path):
    manifest = tmp_path / "m.parquet"
    part = Sequences(str(root), manifest=str(manifest))
    mixture = Mixture({"a": part}, {"a": 1.0})
    with pytest.raises(ConfigError, match="Mixture has no clips of its own"):
        audit(mixture, manifest, AuditSettings())
    audit(Sequences(str(root)), manifest, AuditSettings(workers=1))
    assert len(mixture.footage()) == 3
