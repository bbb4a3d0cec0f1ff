"""The lock between machines: processes here pose as one each, with a kernel of its own."""

import errno
import fcntl
import json
import multiprocessing
import os
import threading
import time

import pytest

from siammae.system import lock
from siammae.system.errors import ConfigError, TrainingError
from siammae.tracking.record import RunRecord

SPAWN = multiprocessing.get_context("spawn")


def pose_as(host, beat=0.1):
    """Make this process another machine, on whose file system flock stays at home."""
    lock.socket.gethostname = lambda: host
    lock.kernel = lambda: f"machine of {host}/boot"
    lock._flock = lambda file, kind: True
    lock.BEAT, lock.STALE, lock.DOUBTFUL = beat, 20 * beat, 3 * beat


def hold(folder, host, beat, held, leave):
    pose_as(host, beat)
    with RunRecord(folder).claim():
        held.set()
        leave.wait(30)


def contend(folder, host, barrier, answers, over):
    pose_as(host)
    barrier.wait(60)
    try:
        with RunRecord(folder).claim():
            answers.put((host, True))
            over.wait(30)
    except ConfigError:
        answers.put((host, False))


@pytest.fixture
def record(tmp_path):
    made = RunRecord(tmp_path / "runs" / "abc")
    made.create({})
    return made


@pytest.fixture
def elsewhere(record):
    """Starts an owner on another machine; returns its process and the event that ends it."""
    started = []

    def start(host="there", beat=0.1):
        held, leave = SPAWN.Event(), SPAWN.Event()
        process = SPAWN.Process(target=hold, args=(record.folder, host, beat, held, leave))
        process.start()
        started.append(process)
        assert held.wait(60)
        return process, leave

    yield start
    for process in started:
        process.kill()
        process.join()


@pytest.fixture
def here(monkeypatch):
    """This process as a machine of its own."""
    for name in ("kernel", "_flock", "BEAT", "STALE", "DOUBTFUL"):
        monkeypatch.setattr(lock, name, getattr(lock, name))
    monkeypatch.setattr(lock.socket, "gethostname", lock.socket.gethostname)
    pose_as("here")


def age(record, seconds):
    """Make the newest owner's last sign of life so old."""
    _, place = lock._newest(record.folder)
    then = time.time() - seconds
    os.utime(place, (then, then))


def test_a_live_owner_elsewhere_is_refused_and_seen(record, elsewhere, here):
    _, leave = elsewhere()
    record.set_state("running")
    time.sleep(2.5)  # past STALE: its heart has beaten meanwhile
    assert RunRecord(record.folder).state()["state"] == "running"
    with (
        pytest.raises(ConfigError, match="abc is being trained by another process"),
        record.claim(),
    ):
        pass
    leave.set()


def test_an_owner_that_left_politely_is_followed_at_once(record, elsewhere, here):
    process, leave = elsewhere()
    leave.set()
    process.join()
    begun = time.monotonic()
    with record.claim():
        assert time.monotonic() - begun < 1


def test_a_dead_owner_elsewhere_holds_the_run_for_a_while_and_not_for_ever(record, elsewhere, here):
    process, _ = elsewhere()
    record.set_state("running")
    process.kill()
    process.join()
    assert RunRecord(record.folder).state()["state"] == "running"
    age(record, 1.0)  # in doubt: it may be a server that hangs
    begun = time.monotonic()
    with record.claim():
        assert 0.5 < time.monotonic() - begun < 10
    assert RunRecord(record.folder).state()["state"] == "interrupted"


def test_a_doubtful_owner_that_is_heard_again_keeps_the_run(record, elsewhere, here):
    elsewhere(beat=0.7)
    age(record, 1.0)
    with pytest.raises(ConfigError, match="being trained"), record.claim():
        pass


def test_a_dead_owner_from_the_future_does_not_hold_the_run_for_ever(record, elsewhere, here):
    process, _ = elsewhere()
    record.set_state("running")
    process.kill()
    process.join()
    age(record, -365 * 86400)  # it was stamped while the clock was wrong
    assert RunRecord(record.folder).state()["state"] == "interrupted"
    begun = time.monotonic()
    with record.claim():
        assert 1 < time.monotonic() - begun < 20  # it was watched for a sign of life


def test_an_owner_whose_clock_is_ahead_keeps_the_run(record, elsewhere, here):
    process, _ = elsewhere(beat=30)
    _, place = lock._newest(record.folder)
    over = threading.Event()

    def beat():
        for hour in range(1, 1000):
            os.utime(place, (time.time() + 3600 + hour,) * 2)
            if over.wait(0.1):
                return

    heart = threading.Thread(target=beat)
    heart.start()
    try:
        time.sleep(0.3)
        with pytest.raises(ConfigError, match="being trained"), record.claim():
            pass
    finally:
        over.set()
        heart.join()
    assert process.is_alive()


def test_a_stale_lock_is_taken_over_by_exactly_one(record, elsewhere):
    process, _ = elsewhere()
    process.kill()
    process.join()
    age(record, 3600)
    count = 6
    barrier, answers, over = SPAWN.Barrier(count), SPAWN.Queue(), SPAWN.Event()
    contenders = [
        SPAWN.Process(target=contend, args=(record.folder, f"host{i}", barrier, answers, over))
        for i in range(count)
    ]
    for contender in contenders:
        contender.start()
    told = [answers.get(timeout=60) for _ in contenders]
    over.set()
    for contender in contenders:
        contender.join()
    assert sorted(won for _, won in told) == [False] * (count - 1) + [True]
    _, place = lock._newest(record.folder)
    assert json.loads(place.read_text())["host"] == next(host for host, won in told if won)


def test_an_owner_that_stood_still_too_long_learns_that_it_is_none(record, here):
    stopped = RunRecord(record.folder)
    with stopped.claim():
        stopped.set_state("running", step=1)
        lock._newest(record.folder)[1].with_name(".owner-2").write_text("{}")
        for write in (
            lambda: stopped.set_state("running", step=2),
            lambda: stopped.log_metrics({"step": 2}),
            lambda: stopped.write_summary({}),
        ):
            with pytest.raises(TrainingError, match="taken over by another process"):
                write()
    assert stopped.state()["step"] == 1
    assert stopped.metrics() == []


def test_a_machine_that_was_started_anew_need_not_wait(record, elsewhere, here, monkeypatch):
    process, _ = elsewhere(host="here")
    process.kill()
    process.join()
    monkeypatch.setattr(lock, "kernel", lambda: "machine of here/next boot")
    begun = time.monotonic()
    with record.claim():
        assert time.monotonic() - begun < 1


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK])
def test_without_flock_a_process_of_this_machine_is_known_by_its_number(
    record, monkeypatch, number
):
    def no_flock(file, kind):
        raise OSError(number, "no locks here")

    monkeypatch.setattr(fcntl, "flock", no_flock)
    other = RunRecord(record.folder)
    with record.claim():
        assert lock.is_held(record.folder / ".lock")
        with pytest.raises(ConfigError, match="being trained"), other.claim():
            pass
    process = SPAWN.Process(target=time.sleep, args=(0,))
    process.start()
    process.join()
    dead = {**lock.asdict(lock.this_process()), "pid": process.pid}
    (record.folder / ".owner-2").write_text(json.dumps(dead))
    with other.claim():
        assert lock._newest(record.folder)[0] == 3


def test_one_file_of_the_last_owner_is_kept_and_no_more(record, here):
    for _ in range(4):
        with record.claim():
            pass
    assert sorted(path.name for path in record.folder.glob(".owner-*")) == [".owner-3", ".owner-4"]
