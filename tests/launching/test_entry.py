"""How errors of a job reach the user, through real processes."""

import sys
from contextlib import nullcontext

import pytest
from preloaded import run_command
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from siammae.launching import entry
from siammae.system.errors import ConfigError

JOB = """
import sys
import hydra
from siammae.system.errors import ConfigError
from siammae.launching.entry import report_user_errors, run
from siammae.system.paths import CONFIGS

@hydra.main(config_path=str(CONFIGS), config_name="look")
@report_user_errors
def job(config):
    if config.start == 1:
        raise ConfigError("start=1 is odd")
    if config.start == 3:
        raise ZeroDivisionError("nobody thought of 3")
    print("done", config.start)

sys.exit(run(job))
"""


@pytest.fixture
def command(tmp_path):
    (tmp_path / "job.py").write_text(JOB)

    def start(*arguments):
        line = [sys.executable, *arguments]
        return run_command(line, cwd=tmp_path, timeout=100)

    return start


def test_a_user_s_error_is_one_line_and_nothing_else(command):
    done = command("job.py", "start=1")
    assert (done.returncode, done.stderr) == (2, "error: start=1 is odd\n")


def test_what_nobody_thought_of_keeps_its_traceback(command):
    done = command("job.py", "start=3")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "job.py" in done.stderr
    assert done.stderr.endswith("ZeroDivisionError: nobody thought of 3\n")


def test_a_multirun_sees_the_error_and_goes_on(command):
    done = command("job.py", "-m", "start=1,2")
    assert done.returncode == 1
    assert "done 2" in done.stdout
    told, listed = done.stderr.split("error: 1 of 2 runs failed:\n")
    assert told == "failed: start=1: start=1 is odd\n"
    assert listed.startswith("  start=1: start=1 is odd\n")


@pytest.mark.parametrize(
    ("module", "argument", "words"),
    [
        ("evaluate", "precision=fp8", "precision=fp8: must be auto, fp32 or bf16"),
        ("evaluate", "checkpoint=gone", "gone: no such file"),
        ("evaluate", "precison=fp32", "precison: no such key (did you mean 'precision'?)"),
        ("look", "video=clip.mp4", "checkpoint=PATH is missing"),
        ("look", "vidoe=clip.mp4", "vidoe: no such key (did you mean 'video'?)"),
    ],
)
def test_other_commands_tell_in_one_line_too(command, module, argument, words):
    done = command("-m", f"siammae.{module}", argument)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert words in done.stderr
    assert "To append" not in done.stderr


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ConfigError("batch_size=7: no"), 2, "batch_size=7: no"),
        (KeyError("inside"), None, "Traceback"),
    ],
)
def test_torch_elastic_s_error_file_has_a_user_s_error_in_one_line(
    error, code, words, monkeypatch, tmp_path
):
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))

    def main():
        raise error

    with pytest.raises(KeyError) if code is None else nullcontext():
        assert entry.run(main) == code
    failure = ProcessFailure(0, 1, 1, str(tmp_path / "error.json"))
    shown = ChildFailedError("train", {0: failure}).format_msg()
    assert f"traceback : {words}" in shown
    assert ("KeyError: 'inside'" in shown) == (code is None)
