"""The command, in real processes."""

import json
import os
import re
import signal
import subprocess
import sys

import pandas as pd
import pytest
import yaml
from processes import group_lives, hear_interrupts, wait_until

from siammae.config.check import validate
from siammae.config.commands import AuditConfig
from siammae.data.auditing.run_audit import AuditSettings, audit
from siammae.data.manifests.manifest import Journal
from siammae.data.sets.videos import Videos
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS

COMMAND = [sys.executable, "-m", "siammae.audit", "progress=none"]
CLIPS = 50


def start(folder, *arguments):
    return subprocess.Popen(
        [*COMMAND, "data=videos", *map(str, arguments)],
        cwd=folder,
        start_new_session=True,
        preexec_fn=hear_interrupts,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder, *arguments):
    process = start(folder, *arguments)
    out, err = process.communicate(timeout=100)
    return process.returncode, out, err


def lines_of(journal):
    return journal.read_text().splitlines() if journal.is_file() else []


@pytest.fixture(scope="module")
def many(tmp_path_factory, moving_clip):
    """As many clips as a process cannot read between two looks."""
    root = tmp_path_factory.mktemp("many") / "clips"
    root.mkdir()
    content = moving_clip(root / "0.mp4", 20).read_bytes()
    for number in range(1, CLIPS):
        (root / f"{number}.mp4").write_bytes(content)
    return root


def test_after_a_kill_only_unread_files_are_read(many, tmp_path):
    arguments = [f"data.root={many}", "out=m.parquet", "workers=2"]
    journal = tmp_path / ".m.parquet.journal"
    process = start(tmp_path, *arguments)
    wait_until(lambda: len(lines_of(journal)) > 4, process)
    process.kill()
    process.communicate()
    wait_until(lambda: not group_lives(process.pid))  # no process of it is left
    assert not (tmp_path / "m.parquet").exists()
    before = {}
    for line in lines_of(journal):
        row = json.loads(line)
        before[row["path"]] = row["seconds"]
    assert len(before) < CLIPS
    with journal.open("a") as file:
        file.write('{"path": "torn')  # as a crash in the middle of a write leaves it

    code, out, err = run(tmp_path, *arguments, "--strict")
    assert (code, err) == (0, "")
    assert f"{len(before)} of {CLIPS} clips were read before" in out
    assert not journal.exists()
    rows = pd.read_parquet(tmp_path / "m.parquet")
    assert len(rows) == CLIPS
    assert rows["path"].is_unique
    assert (rows["reader"] == "video").all()
    after = dict(zip(rows["path"], rows["seconds"], strict=True))
    assert {name: after[name] for name in before} == before


def test_ctrl_c_says_how_to_go_on(many, tmp_path):
    process = start(tmp_path, f"data.root={many}", "out=m.parquet", "workers=2")
    wait_until(lambda: len(lines_of(tmp_path / ".m.parquet.journal")) > 4, process)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "interrupted; the same command goes on where it stopped\n"
    assert len(lines_of(tmp_path / ".m.parquet.journal")) > 4
    wait_until(lambda: not group_lives(process.pid))


def test_summary_default_place_and_strict(tmp_path, clip_maker):
    root = tmp_path / "my clips"
    root.mkdir()
    clip_maker(root / "good.mp4", 30)
    clip_maker(root / "wide.avi", 20, (48, 96), codec="mpeg4")
    (root / "bad.mp4").write_text("no video")
    before = sorted(root.iterdir())
    code, out, err = run(tmp_path, f"data.root={root}", "--strict")
    assert (code, err) == (1, "")
    for message in (
        "mpeg4",
        "h264",
        "48x64",
        "no reader (broken)",
        "broken: bad.mp4: cannot be opened as a video",
    ):
        assert message in out
    assert sorted(root.iterdir()) == before  # data may lie on a read-only place
    (manifest,) = (tmp_path / "audits").glob("videos-my clips-*.parquet")
    assert f"data.manifest={manifest.relative_to(tmp_path)}" in out
    assert list(pd.read_parquet(manifest)["usable"]) == [0, 30, 20]
    code, out, _ = run(tmp_path, f"data.root={root}")
    assert code == 0
    assert "3 of 3 clips were read before" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("data.root=gone", "data.root=gone: no such folder or list file"),
        ("data.root=clips out=/dev/null/m.parquet", "out=/dev/null/m.parquet cannot be written"),
        ("data.root=clips data.manifest=x", "data.manifest=x is what an audit makes"),
    ],
)
def test_one_clear_error(tmp_path, arguments, message):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "x.mp4").write_text("x")
    code, _, err = run(tmp_path, *arguments.split())
    assert code == 2
    assert len(err.splitlines()) == 1, err
    assert err.startswith("error: ")
    assert message in err


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"workers": 0}, "workers=0: should be greater than or equal to 1"),
        ({"timeout_s": -1}, "timeout_s=-1: should be greater than 0"),
        ({"timeout_s": "1m"}, "timeout_s='1m': should be a valid number"),
        ({"again": "some"}, "again=some: must be none, broken or all"),
        ({"strict": "yes"}, "strict=yes: must be true or false"),
        ({"progress": "loud"}, "progress=loud: must be auto, rich, plain or none"),
    ],
)
def test_values_of_keys(setting, message):
    config = yaml.safe_load((CONFIGS / "audit.yaml").read_text())
    keys = {key: config[key] for key in AuditConfig.model_fields if key in config}
    keys["data"] = {"_target_": "siammae.data.Videos"}
    assert validate(keys, AuditConfig).timeout_s == 60
    with pytest.raises(ConfigError, match=re.escape(message)):
        validate({**keys, **setting}, AuditConfig)


def test_one_audit_writes_a_manifest(many, tmp_path):
    manifest = tmp_path / "m.parquet"
    with Journal(manifest).held(), pytest.raises(ConfigError, match="by another audit; wait"):
        audit(Videos(str(many)), manifest, AuditSettings(workers=1))


def test_a_manifest_is_a_file(many, tmp_path):
    with pytest.raises(ConfigError, match="is a folder; name a file"):
        audit(Videos(str(many)), tmp_path, AuditSettings(workers=1))
