"""The real client: offline files, a loopback server, and servers that fail."""

import socket
import sys
import time

import pytest
from preloaded import run_command

from siammae.tracking.record import RunRecord
from siammae.tracking.record_text import contents, unpack

# A process for each: the client keeps state of its own in one.
LOG = """
import os, sys, time
from pathlib import Path
from siammae.tracking.record import RunRecord
from siammae.tracking.wandb import WandbTracker
record = RunRecord(Path(sys.argv[1]) / "abc123")
record.create({"mask_ratio": 0.9, "frame_gap": [4, 48], "decoder": {"width": 64}})
tracker = WandbTracker(project="p", mode=sys.argv[2], timeout=float(sys.argv[3]))
begun = time.monotonic()
tracker.start(record, "a name", "a group", ["demo"])
for step in range(1, 6):
    tracker.log_row({"step": step, "pairs_seen": step * 10, "train/loss": 1.0 / step})
from PIL import Image
picture = record.folder / "picture.jpg"
Image.new("RGB", (8, 8), "red").save(picture)
tracker.log_picture("media/restored", picture, 50)
tracker.log_final({"sprites/J&F-Mean": 0.5})
tracker.close()
print("done in", time.monotonic() - begun)
"""


def log(folder, mode, timeout=20, **environment):
    import os

    env = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
    env |= {"HOME": str(folder), "WANDB_ERROR_REPORTING": "false", **environment}
    return run_command(
        [sys.executable, "-c", LOG, str(folder), mode, str(timeout)],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )


def records(folder):
    """What the client itself reads back from an offline run."""
    run = next((folder / "abc123" / "wandb").glob("offline-run-*"))
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(run)]
    done = run_command(command, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_a_key_all_is_logged_offline_in_the_runs_folder(tmp_path):
    done = log(tmp_path, "auto")
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    text = records(tmp_path)
    for expected in ("abc123", "a name", "a group", "decoder_width", "[4, 48]", "train/loss"):
        assert expected in text
    assert "final/sprites/J&F-Mean" in text.replace("\\u0026", "&")
    assert list(
        (tmp_path / "abc123" / "wandb").glob("offline-run-*/files/media/images/media/*.jpg")
    )


def test_project_and_entity_of_the_environment_count_where_none_are_given(monkeypatch):
    from hydra import compose, initialize_config_dir

    from siammae.system.paths import CONFIGS

    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    monkeypatch.setenv("WANDB_ENTITY", "lab")
    with initialize_config_dir(str(CONFIGS)):
        tracking = compose("train", ["tracking=wandb"]).tracking
        assert (tracking.project, tracking.entity) == ("theirs", "lab")
        tracking = compose("train", ["tracking=wandb", "tracking.project=own"]).tracking
        assert (tracking.project, tracking.entity) == ("own", "lab")


@pytest.mark.parametrize("mode", ["auto", "offline", "online"])
@pytest.mark.parametrize("variable", [{"WANDB_MODE": "disabled"}, {"WANDB_DISABLED": "true"}])
def test_disabled_in_the_environment_writes_nothing(tmp_path, mode, variable):
    done = log(tmp_path, mode, WANDB_API_KEY="k" * 40, **variable)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "config.yaml",
        "picture.jpg",
    ]


def test_with_a_key_rows_config_and_figures_reach_the_server(tmp_path, wandb_server):
    done = log(tmp_path, "auto", **wandb_server.environment)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr, done.stderr
    (stored,) = wandb_server.runs("p").values()
    assert stored.rows[4]["train/loss"] == 0.2
    assert stored.rows[4]["pairs_seen"] == 50
    assert stored.rows[5]["media/restored"]["_type"] == "image-file"
    assert any("media/restored" in path for path in wandb_server.files)
    assert stored.config["decoder_width"]["value"] == 64
    assert stored.summary["final/sprites/J&F-Mean"] == 0.5
    assert (stored.name, stored.group, stored.tags) == ("a name", "a group", ["demo"])
    assert stored.state == "failed"  # it never said that it was done


def test_a_resumed_run_goes_on_with_its_newest_configuration(tmp_path, wandb_server):
    for _ in range(2):
        done = log(tmp_path, "auto", **wandb_server.environment)
        assert "warning" not in done.stderr, done.stderr
    (stored,) = wandb_server.runs("p").values()
    assert [row["_step"] for row in stored.rows] == list(range(12))
    config = {key: part["value"] for key, part in stored.config.items() if key != "_wandb"}
    assert unpack(config, "abc123")["files"] == contents(RunRecord(tmp_path / "abc123"))


@pytest.mark.parametrize("kind", ["refuses", "hangs"])
def test_a_server_that_fails_delays_the_run_and_no_more(tmp_path, kind):
    """The start gives up in time, all is logged offline, and the user is told once."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    if kind == "refuses":
        listener.close()
    begun = time.monotonic()
    url = f"http://127.0.0.1:{port}"
    done = log(tmp_path, "auto", 3, WANDB_API_KEY="k" * 40, WANDB_BASE_URL=url)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning: W&B could not start online") == 1
    assert "the run goes on" in done.stderr
    assert "train/loss" in records(tmp_path)
    assert time.monotonic() - begun < 60
    listener.close()


def test_a_failing_client_ends_the_tracking_and_not_the_run(tmp_path, capsys):
    from siammae.tracking.wandb import WandbTracker

    class Broken:
        def log(self, row):
            raise RuntimeError("out of order")

    tracker = WandbTracker()
    tracker._run = Broken()
    tracker.log_row({"pairs_seen": 1})
    tracker.log_row({"pairs_seen": 2})
    tracker.log_final({})
    tracker.close()
    told = capsys.readouterr().err
    assert told.count("W&B could not log: out of order; the run goes on") == 1


def test_senseless_mode_is_refused():
    from siammae.tracking.wandb import WandbTracker

    with pytest.raises(ValueError, match="mode 'maybe' is none of"):
        WandbTracker(mode="maybe")
