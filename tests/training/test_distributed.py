"""Several processes train what one trains: real ones, started by torchrun, over gloo."""

import json
import signal
from types import SimpleNamespace

import pytest
import torch

from siammae.system.errors import ConfigError
from siammae.system.processes import is_leader, refuse_with_torchrun
from siammae.training.distributed import Team, TorchrunTeam, join_team

from .conftest import held

TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--no-python")
# Without dropout, whose draws differ by rank, and with a rate at which a wrong mask shows.
SAME = ("decoder.dropout=0.0", "batch_size=16", "optim.base_lr=0.016", "optim.clip=0.5")

# What happens to a job of a multirun follows from the folder of its runs.
BEFALLS = """
import os, signal, sys
from siammae.training.loop import Trainer
step, rank = Trainer.train_step, os.environ.get("RANK")
def disturbed(self, number, feed):
    job = self.checkpoints.folder.parts[-3]
    if (job, number, rank) == ("cut", 5, None):
        os.kill(os.getpid(), signal.SIGTERM)
    if (job, number, rank) == ("stopped", 5, "1"):
        os.kill(os.getppid(), signal.SIGTERM)
    if (job, number, rank) == ("unreadable", 4, "1"):
        feed.batches = (1 / 0 for _ in range(1))
    if (job, number, rank) == ("failing", 4, "1"):
        feed.prepare = lambda batch: 1 / 0
    if (job, number, rank) == ("killed", 4, "1"):
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, number, feed)
Trainer.train_step = disturbed
from siammae.train import main
sys.exit(main())
"""


def jobs(*folders):
    return ["-m", "runs_dir=" + ",".join(folders), *SAME]


@pytest.fixture(scope="module")
def started(train, tmp_path_factory):
    """Each way to the same run: by one process and by two, to the end and interrupted."""
    folder = tmp_path_factory.mktemp("distributed")
    one = train(folder, *jobs("whole", "cut"), "data.workers=0", script=BEFALLS)
    assert one.returncode == 128 + signal.SIGTERM, one.stderr
    # With readers, to which torchrun sends its SIGTERM as well.
    two = train(folder, *jobs("pair", "stopped"), "data.workers=1", script=BEFALLS, launch=TWO)
    assert two.returncode != 0
    assert len(list((folder / "runs/.multirun").iterdir())) == 2  # one a start
    for name in ("cut", "stopped"):
        assert state(folder / name)["state"] == "interrupted", two.stderr
        assert [p.name for p in run(folder / name).glob("checkpoints/step-*5.pt")]
    return folder, two


@pytest.fixture(scope="module")
def resumed(train, started):
    folder, _ = started
    one = train(folder, "runs_dir=stopped", *SAME, "data.workers=0")
    assert one.returncode == 0, one.stderr
    last = jobs("whole", "cut", "unreadable", "after", "killed", "never")
    return folder, one, train(folder, *last, "data.workers=0", script=BEFALLS, launch=TWO)


@pytest.fixture(scope="module")
def failed(train, tmp_path_factory):
    """A run of which one process fails in the midst of a step, and one that was to follow."""
    folder = tmp_path_factory.mktemp("failed")
    last = jobs("failing", "later")
    return folder, train(folder, *last, "data.workers=0", script=BEFALLS, launch=TWO)


def run(runs):
    (found,) = [path for path in runs.iterdir() if not path.name.startswith(".")]
    return found


def state(runs):
    return json.loads((run(runs) / "state.json").read_text())


def checkpoint(runs):
    return torch.load(run(runs) / "checkpoints/step-00000012.pt", weights_only=True)


def without_key_biases(model):
    """A bias of all keys changes no attention: its gradient is rounding, which AdamW magnifies."""
    kept = dict(model)
    for name, bias in model.items():
        if name.endswith("qkv.bias"):
            query, _, value = bias.chunk(3)
            kept[name] = torch.cat([query, value])
        if name.endswith("memory_to_kv.bias"):
            kept[name] = bias.chunk(2)[1]  # of one layer
    return kept


def same(runs, other):
    """Weights and losses to 1e-6, and everything else that the run counts."""
    assert run(runs).name == run(other).name
    mine, theirs = checkpoint(runs), checkpoint(other)
    assert mine["model"].keys() == theirs["model"].keys()
    one, two = without_key_biases(mine["model"]), without_key_biases(theirs["model"])
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=0, atol=1e-6)
    assert mine["progress"]["losses"] == pytest.approx(theirs["progress"]["losses"], abs=1e-6)
    assert len(mine["progress"]["losses"]) == 12
    assert mine["progress"]["short_gap_pairs"] == theirs["progress"]["short_gap_pairs"]
    summaries = [json.loads((run(f) / "summary.json").read_text()) for f in (runs, other)]
    assert summaries[0]["pairs_seen"] == summaries[1]["pairs_seen"] == 12 * 16
    return True


@pytest.mark.slow
def test_two_processes_train_the_weights_of_one(started):
    folder, two = started
    assert same(folder / "pair", folder / "whole")
    facts = json.loads((run(folder / "pair") / "provenance.json").read_text())
    assert facts["world_size"] == 2
    assert two.stdout.count(f"in pair/{run(folder / 'pair').name}") == 1  # rank 0 alone prints


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(resumed):
    folder, one, two = resumed
    assert "going on after step 5 of 12" in one.stdout
    assert same(folder / "stopped", folder / "whole")
    assert two.stdout.count("finished before") == 1
    assert two.stdout.count("going on after step 5 of 12") == 1
    assert same(folder / "cut", folder / "whole")


@pytest.mark.slow
def test_an_error_of_one_process_between_steps_is_the_runs_and_the_next_goes_on(resumed):
    folder, _, two = resumed
    assert failed_in_rank_1(folder / "unreadable", two)
    assert same(folder / "after", folder / "whole")


@pytest.mark.slow
def test_shards_go_on_from_whole_weights_and_the_other_way_round(train, started, tmp_path):
    """Checkpoints are the same files, whatever each process held of the model."""
    sharded = ("parallel=fsdp", "data.workers=0")
    two = train(tmp_path, *jobs("stopped"), *sharded, script=BEFALLS, launch=TWO)
    one = train(tmp_path, *jobs("cut"), "data.workers=0", script=BEFALLS)
    for name, done in (("stopped", two), ("cut", one)):
        assert state(tmp_path / name)["state"] == "interrupted", done.stderr
    one = train(tmp_path, *jobs("stopped"), "data.workers=0")
    two = train(tmp_path, *jobs("cut"), *sharded, script=BEFALLS, launch=TWO)
    for name, done in (("stopped", one), ("cut", two)):
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("going on after step 5 of 12") == 1
        assert same(tmp_path / name, started[0] / "whole")


def failed_in_rank_1(runs, two):
    assert state(runs)["state"] == "failed"
    assert "rank 1" in state(runs)["error"]
    assert "ZeroDivisionError" in state(runs)["error"]
    failures = [line for line in two.stderr.splitlines() if line.startswith("failed: ")]
    return sum(f"runs_dir={runs.name}" in line and "rank 1" in line for line in failures) == 1


@pytest.mark.slow
def test_an_error_of_one_process_within_a_step_ends_the_others(failed, train, started):
    """They wait for its gradients; nothing hangs, and the same command goes on."""
    folder, two = failed
    assert two.returncode != 0
    assert failed_in_rank_1(folder / "failing", two)
    assert [path.name for path in (folder / "later").glob("[!.]*")] == []
    again = train(folder, *jobs("failing", "later"), "data.workers=0")
    assert again.returncode == 0, again.stderr
    for name in ("failing", "later"):
        assert same(folder / name, started[0] / "whole")


@pytest.mark.slow
def test_a_run_that_is_trained_elsewhere_is_left_alone_by_all_processes(train, tmp_path, only_run):
    """No failure, so that on_failure=stop does not part the processes either."""
    assert train(tmp_path, *SAME).returncode == 0
    with held(only_run(tmp_path)):
        settings = ("-m", "seed=0,1", *SAME, "rerun=true", "on_failure=stop", "data.workers=0")
        two = train(tmp_path, *settings, launch=TWO)
    assert two.returncode == 0, two.stderr
    assert two.stderr.count("left alone: ") == 1
    assert "reducer.cpp" not in two.stderr  # torch's own words about our choices
    assert two.stdout.count("1 of 2 runs left to the processes that train them") == 1
    states = [json.loads(p.read_text())["state"] for p in (tmp_path / "runs").glob("*/state.json")]
    assert states == ["finished"] * 2


@pytest.mark.slow
def test_a_process_that_vanishes_ends_the_others(resumed):
    folder, _, two = resumed
    assert two.returncode != 0
    assert state(folder / "killed")["state"] == "failed"
    assert "another process of this run is gone" in state(folder / "killed")["error"]
    # When torchrun's SIGTERM comes late, Hydra has made its folder there, but no run has begun.
    assert [path.name for path in (folder / "never").glob("[!.]*")] == []


@pytest.fixture
def two():
    """The first of two processes, without the other."""
    team = TorchrunTeam.__new__(TorchrunTeam)
    team.rank, team.size = 0, 2
    return team


@pytest.fixture
def under_torchrun(monkeypatch):
    places = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}
    for name, value in {**places, "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize(("batch", "fits"), [(12, True), (24, True), (8, False), (18, False)])
def test_a_batch_must_part_evenly(two, batch, fits):
    settings = SimpleNamespace(batch_size=batch, accumulate=3, device="auto")
    Team().check_settings(settings, repeated=2)
    if fits:
        two.check_settings(settings, repeated=2)
        return
    with pytest.raises(ConfigError, match=f"batch_size={batch} is not .* take a multiple of 12"):
        two.check_settings(settings, repeated=2)


@pytest.mark.parametrize("name", ["cuda:1", "mps"])
def test_one_device_is_none_for_two_processes(two, name):
    with pytest.raises(ConfigError, match=f"device={name} is one device for 2 processes"):
        two.check_settings(SimpleNamespace(device=name), repeated=2)


def test_each_process_has_the_gpu_of_its_local_rank(two, under_torchrun):
    chosen = []
    under_torchrun.setattr("torch.cuda.is_available", lambda: True)
    under_torchrun.setattr("torch.cuda.device_count", lambda: 2)
    under_torchrun.setattr("torch.cuda.set_device", chosen.append)
    assert two.device("auto") == two.device("cuda") == torch.device("cuda:1")
    assert chosen[0] == torch.device("cuda:1")
    assert two.device("cpu") == torch.device("cpu")
    under_torchrun.setenv("LOCAL_RANK", "2")
    with pytest.raises(ConfigError, match=r"no GPU for process 3 .* --nproc-per-node=2"):
        two.device("cuda")


@pytest.mark.parametrize("choice", [{"hydra/launcher": "joblib"}, {"hydra/sweeper": "optuna"}])
def test_what_starts_or_draws_for_itself_is_refused(choice, under_torchrun):
    (named,) = choice.items()
    with pytest.raises(ConfigError, match="=".join(named)):
        refuse_with_torchrun(choice)
    refuse_with_torchrun({"hydra/launcher": "basic", "hydra/sweeper": "basic"})
    under_torchrun.setenv("WORLD_SIZE", "1")
    refuse_with_torchrun(choice)


def test_a_process_that_is_alone_is_a_team(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    join_team.cache_clear()
    team = join_team()
    assert (team.rank, team.size, team.is_main, is_leader()) == (0, 1, True, True)
    assert team.sum([3, 4]) == [3, 4]
    assert team.gather("x") == ["x"]
    with pytest.raises(KeyError), team.end_together(), team.raise_in_all():
        raise KeyError
