"""The name of a study: the same while what its trials share is the same."""

import sys

import pytest
from preloaded import run_command


@pytest.fixture(scope="module")
def name(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    known = {}

    def ask(*arguments):
        if arguments not in known:
            # As a multirun composes it, but no run: the study's name is printed.
            script = (
                "import sys\n"
                "from siammae.launching.hydra_adapter import compose_instead_of_running\n"
                "from siammae.train import main\n"
                "def show(config):\n"
                "    print(config.hydra.sweeper.study_name)\n"
                "compose_instead_of_running(show)\n"
                "sys.exit(main())\n"
            )
            command = [sys.executable, "-c", script, "-m", "sweeps=masking", *arguments]
            done = run_command(command, cwd=folder, timeout=100)
            assert done.returncode == 0, done.stderr
            known[arguments] = done.stdout.strip()
        return known[arguments]

    return ask


def test_it_is_the_sweep_s_with_a_hash(name):
    assert name().startswith("masking-")
    assert len(name()) == len("masking-") + 6


@pytest.mark.parametrize(
    "arguments",
    [
        ["schedule.steps=3", "schedule.warmup_steps=1"],
        ["preset=gpu"],
        ["seed=1"],
        ["decoder.width=64"],  # of a group that is drawn
        ["mask_ratio=0.95"],  # no longer drawn, though of the default's value
        ["frame_gap=choice(2,4)"],
        ["seed=0,1"],
        ["data=videos", "data.root=a"],
        ["benchmark=davis2017"],
        ["benchmark=davis2017", "benchmark.root=other"],
    ],
)
def test_another_recipe_is_another_study(name, arguments):
    assert name(*arguments) != name()
    if len(arguments) == 2:
        assert name(*arguments) != name(arguments[0])


@pytest.mark.parametrize(
    "arguments",
    [["device=cpu"], ["runs_dir=other"], ["tracking=none"], ["hydra.sweeper.n_trials=3"]],
)
def test_what_changes_no_result_does_not_count(name, arguments):
    assert name(*arguments) == name()
