import fcntl
import json
import multiprocessing
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siammae.system.errors import ConfigError
from siammae.tracking.record import Invocation, RunRecord, read_runs, write_atomic
from siammae.tracking.signature import signature

CONFIG = {"mask_ratio": 0.9, "seed": 0, "data": {"root": "x", "workers": 1, "repeated_sampling": 2}}


@pytest.fixture
def record(tmp_path):
    made = RunRecord(tmp_path / "runs" / "abc")
    made.create(CONFIG)
    return made


def test_what_is_written_is_read(record):
    record.set_state("running", step=3, steps=9)
    record.note_invocation(
        Invocation("m1", ["x"], None, {"mask_ratio": "0.9"}, ["mask_ratio"], "demo", 0)
    )
    record.log_metrics({"step": 1, "train/loss": 0.5})
    record.write_summary({"objective": {"metric": "J", "value": 1.0}})
    again = RunRecord(record.folder)
    assert again.config() == CONFIG
    assert again.state()["step"] == 3
    assert again.invocations()[0]["overrides"] == {"mask_ratio": "0.9"}
    assert again.metrics() == [{"step": 1, "train/loss": 0.5}]
    assert not again.is_finished()
    record.set_state("finished")
    assert again.is_finished()


def refuse(record):
    with record.claim(), record.undo_refused_start():
        record.set_state("running")
        raise ConfigError("decoder.heads=0")


def test_a_refused_value_leaves_no_new_record(record):
    with pytest.raises(ConfigError):
        refuse(record)
    assert not record.folder.exists()


def test_a_refused_value_changes_no_record_that_is_there(record):
    record.set_state("interrupted", step=3)
    again = RunRecord(record.folder)
    again.create(CONFIG)
    with pytest.raises(ConfigError):
        refuse(again)
    assert (again.state()["state"], again.state()["step"]) == ("interrupted", 3)


def test_an_error_after_training_has_begun_is_a_failure_of_the_run(record):
    def fail():
        with record.undo_refused_start():
            record.write_provenance({"code_version": "a"}, "")
            record.set_state("failed")
            raise ConfigError("too late")

    with pytest.raises(ConfigError, match="too late"):
        fail()
    assert record.state()["state"] == "failed"


def test_running_without_an_owner_is_interrupted(record):
    with record.claim():
        record.set_state("running")
        assert RunRecord(record.folder).state()["state"] == "running"
    assert RunRecord(record.folder).state()["state"] == "interrupted"


def test_a_torn_line_is_passed_over_and_written_past(record):
    record.log_metrics({"step": 1})
    with (record.folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "tr')
    assert record.metrics() == [{"step": 1}]
    record.log_metrics({"step": 3})
    assert record.metrics() == [{"step": 1}, {"step": 3}]


def test_rows_past_a_checkpoint_are_dropped(record):
    for step in (10, 20, 30):
        record.log_metrics({"step": step})
    record.drop_metrics_after(20)
    assert [row["step"] for row in record.metrics()] == [10, 20]


FACTS = {"created": 1.0, "code_version": "a", "git": {"commit": "1", "dirty": True}}
FACTS |= {"packages": {}, "device": "cpu", "precision": "fp32", "host": "h", "preset": "demo"}


def test_a_resume_adds_to_the_provenance_and_replaces_nothing(record):
    record.write_provenance(FACTS, "first diff")
    gpu = {**FACTS, "created": 2.0, "code_version": "b", "device": "H100", "precision": "bf16"}
    record.write_provenance(gpu, "second diff", step=10)
    record.write_provenance({**gpu, "created": 3.0}, "", step=20)
    written = record.provenance()
    resumes = written.pop("resumes")
    assert written == FACTS
    changed = {key: value for key, value in gpu.items() if key != "preset"}
    assert resumes == [{**changed, "step": 10}, {**changed, "created": 3.0, "step": 20}]
    diffs = {path.name: path.read_text() for path in record.folder.glob("*.diff")}
    assert diffs == {"git.diff": "first diff", "git-resume-1.diff": "second diff"}


def test_a_start_from_nothing_has_a_provenance_of_its_own(record):
    record.write_provenance(FACTS, "first diff")
    record.write_provenance(FACTS, "second diff", step=10)
    record.write_provenance({**FACTS, "code_version": "c"}, "")
    assert record.provenance() == {**FACTS, "code_version": "c"}
    assert [path.name for path in record.folder.glob("*.diff")] == ["git.diff"]
    assert (record.folder / "git.diff").read_text() == ""


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def trained(record):
    """All that a training leaves."""
    for folder in ("checkpoints", "pictures", "wandb"):
        (record.folder / folder).mkdir()
    for name in ("step-00000003.pt", "step-00000003.pt.sha256", "best.json"):
        (record.checkpoints / name).write_text("x")
    (record.folder / "encoder.safetensors").write_text("x")
    record.write_picture("pca.jpg", b"x")
    record.log_metrics({"step": 3})
    record.write_summary({"objective": {"metric": "J", "value": 1.0}})
    record.set_state("finished")
    return record


def test_a_forgotten_training_leaves_the_configuration_alone(trained):
    trained.write_provenance({"code_version": "a"}, "old")
    trained.write_provenance({"code_version": "b"}, "new", step=3)
    trained.forget_training()
    assert [path.name for path in trained.folder.iterdir()] == ["config.yaml"]
    trained.forget_training()
    assert trained.config() == CONFIG


@pytest.mark.parametrize("after", range(8))
def test_a_kill_while_a_training_is_forgotten_leaves_a_run_that_can_go_on(
    trained, monkeypatch, after
):
    """In the middle: ``after`` so many files are removed."""
    left = [after]

    def counted(remove):
        def wrapped(*arguments, **options):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return remove(*arguments, **options)

        return wrapped

    monkeypatch.setattr(os, "unlink", counted(os.unlink))
    try:
        trained.forget_training()
    except Killed:
        monkeypatch.undo()
    assert after == 0 or not (trained.folder / "state.json").exists()
    if any(trained.checkpoints.glob("*")):
        assert trained.metrics() == [{"step": 3}]
    if (trained.folder / "summary.json").exists():
        assert trained.metrics() == [{"step": 3}]
        assert any(trained.checkpoints.glob("*"))


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"runs_dir=.*file cannot be written"):
        RunRecord(tmp_path / "file" / "abc").create(CONFIG)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomic(path, "old")
    monkeypatch.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, "new")
    assert path.read_text() == "old"


def _hold(folder, held, leave):
    with RunRecord(folder).claim():
        held.set()
        leave.wait(30)


def test_one_owner_at_a_time(record):
    context = multiprocessing.get_context("spawn")
    held, leave = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(record.folder, held, leave))
    process.start()
    assert held.wait(30)
    with (
        pytest.raises(ConfigError, match="abc is being trained by another process"),
        record.claim(),
    ):
        pass
    process.kill()
    process.join()
    with record.claim():
        pass


@pytest.fixture
def reading(record):
    """Another reader, in the middle of looking at the run."""
    (record.folder / ".lock").touch()
    with (record.folder / ".lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield file


def test_readers_do_not_take_each_other_for_an_owner(record, reading):
    record.set_state("running")
    assert record.state()["state"] == "interrupted"


def test_a_reader_delays_a_start_and_does_not_prevent_it(record, reading):
    threading.Timer(0.3, lambda: fcntl.flock(reading, fcntl.LOCK_UN)).start()
    with record.claim():
        record.set_state("running")
        assert record.state()["state"] == "running"


def test_looking_at_a_run_writes_nothing(record):
    record.set_state("running")
    assert record.state()["state"] == "interrupted"
    assert not (record.folder / ".lock").exists()


def test_unknown_folders_are_skipped_and_named(record, tmp_path):
    runs = tmp_path / "runs"
    (runs / "holiday pictures").mkdir()
    (runs / "damaged").mkdir()
    (runs / "damaged" / "config.yaml").write_text("a: [")
    (runs / "odd").mkdir()
    write_atomic(runs / "odd" / "config.yaml", "a: 1")
    write_atomic(runs / "odd" / "summary.json", json.dumps([1]))
    (runs / ".controls").mkdir()
    records, skipped = read_runs(runs)
    assert [found.signature for found in records] == ["abc"]
    assert sorted(skipped) == ["damaged", "holiday pictures", "odd"]
    assert read_runs(tmp_path / "none") == ([], {})


def test_signature_ignores_what_cannot_change_a_result():
    full = {**CONFIG, "device": "cpu", "tracking": {"mode": "auto"}, "experiment": None}
    base = signature(full, {"data": "1"})
    assert len(base) == 10
    changed = {**full, "device": "cuda", "tracking": None, "experiment": {"name": "x"}}
    changed["data"] = {**CONFIG["data"], "root": "elsewhere", "workers": 9}
    assert signature(changed, {"data": "1"}) == base


def test_a_setting_that_came_later_counts_from_its_first_other_value_on():
    """Runs that were made before there was ``augment.resize`` keep their names."""
    augment = {"_target_": "siammae.data.PairAugment", "flip": 0.5}
    before = {**CONFIG, "augment": augment}
    now, other = (
        {**CONFIG, "augment": {**augment, "resize": place}} for place in ("device", "host")
    )
    assert signature(now, {}) == signature(before, {}) != signature(other, {})


@pytest.mark.parametrize(
    ("change", "prints"),
    [
        ({"mask_ratio": 0.95}, {"data": "1"}),
        ({"seed": 1}, {"data": "1"}),
        ({"data": {"root": "x", "workers": 1, "repeated_sampling": 4}}, {"data": "1"}),
        ({}, {"data": "2"}),
    ],
)
def test_signature_follows_everything_else(change, prints):
    assert signature({**CONFIG, **change}, prints) != signature(CONFIG, {"data": "1"})


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.floats(allow_nan=False), max_size=5))
def test_order_of_keys_and_kind_of_whole_numbers_do_not_matter(content):
    backward = {key: content[key] for key in reversed(content)}
    as_float = {k: float(v) if float(v) == v else v for k, v in backward.items()}
    assert signature(content, {}) == signature(backward, {}) == signature(as_float, {})
