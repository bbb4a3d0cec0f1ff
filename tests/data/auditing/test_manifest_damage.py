"""A manifest that is damaged is refused by name."""

import pytest

from siammae.data.manifests.facts import Facts
from siammae.data.manifests.manifest import read_manifest, write_manifest
from siammae.system.errors import DataError


def test_a_damaged_name_of_a_clip_is_refused(tmp_path):
    manifest = tmp_path / "a.parquet"
    write_manifest(manifest, [Facts("wonderful.mp4", 1, 1)])
    assert read_manifest(manifest)[0].path == "wonderful.mp4"
    whole = manifest.read_bytes()
    for wrong in (b"wonderf\xb9l.mp4", b"wonderfxl.mp4"):
        manifest.write_bytes(whole.replace(b"wonderful.mp4", wrong))
        with pytest.raises(DataError, match=r"a\.parquet is no manifest"):
            read_manifest(manifest)
