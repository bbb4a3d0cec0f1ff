"""What runs and studies leave behind: records, checkpoints, encoders, results, storages."""

import sys
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import optuna
import torch
from preloaded import run_command
from tiny_runs import Runner

from siammae.assembly.checkpoint import Checkpoints, load_checked
from siammae.assembly.encoder_file import import_encoder
from siammae.assembly.load_model import load_model
from siammae.evaluation.encoders.published import FileEncoder
from siammae.launching.studies.storage import open_storage
from siammae.report.figures.histories import read_histories
from siammae.report.make_tables import tabulated
from siammae.report.runs import difference, rerun
from siammae.report.runs.listing import Filter, listed, table
from siammae.report.studies.frame import importance, read_study
from siammae.report.studies.sweep_report import best, chosen_study, markdown
from siammae.report.tables.evaluations import load_evaluations, texts
from siammae.report.tables.render import csv, latex
from siammae.report.tables.render import markdown as markdown_table
from siammae.report.tables.runs_frame import load
from siammae.report.tables.sidecar import sidecar
from siammae.system.paths import ROOT
from siammae.system.progress import console
from siammae.tracking.record import RunRecord, read_runs
from tests.evaluation.layouts import mae, plain_vit
from tests.storm.kind import SKIPPED, Kind, skipped

STEPS = ["schedule.steps=6", "checkpoint_every=2", "pictures=0", "schedule.evaluations=1"]
MEASURED = ["benchmark=sprites", "benchmark.source.sequences=1", "+benchmark.source.clips=1"]
MEASURED += ["benchmark.source.sequence_frames=4", "+benchmark.source.frames=4"]


def make_runs(folder: Path) -> None:
    """Two real runs of an experiment, and the evaluation of one."""
    data = folder.with_name("sprites")
    folder.mkdir(parents=True)
    given = ["-m", "experiments=direction", "seed=0", *STEPS, *MEASURED]
    done = Runner(data)(folder, *given, f"benchmark.source.root={data}")
    assert done.returncode == 0, done.stderr
    words = ["-m", "siammae.evaluate", f"checkpoint={one_run(folder)}", *MEASURED, "device=cpu"]
    words = [sys.executable, *words, f"benchmark.source.root={data}"]
    run_command(words, cwd=folder, env=Runner.env(), check=True)


def make_studies(folder: Path) -> None:
    """A study of twelve trials, in both kinds of storage."""
    folder.mkdir(parents=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for url in ("sqlite", "journal"):
        storage = open_storage(f"{url}:///{folder / url}")
        study = optuna.create_study(
            storage=storage, study_name="s", direction="maximize",
            sampler=optuna.samplers.RandomSampler(seed=1),
        )  # fmt: skip

        def objective(trial: optuna.Trial) -> float:
            trial.set_user_attr("quality", "J&F")
            trial.set_user_attr("run", f"r{trial.number}")
            trial.report(trial.number / 2, 1)
            kind = trial.suggest_categorical("kind", ["a", "b"])
            return trial.suggest_float("x", 0, 1) + (kind == "a")

        study.optimize(objective, 12)


def make_published(folder: Path) -> None:
    """An encoder's checkpoint as MAE publishes it."""
    folder.mkdir(parents=True)
    torch.save(mae(plain_vit().state_dict()), folder / "mae.pth")


def read_records(folder: Path) -> dict[str, Any]:
    """Runs as they are listed, compared, made again and put into tables."""
    runs = folder / "runs"
    records, left_out = read_runs(runs)
    found: dict[str, Any] = {name: skipped(reason) for name, reason in left_out.items()}
    rows = listed(runs, Filter())
    console().print(table(rows))
    for record in records:
        name = record.signature
        found[name] = (record.config(), record.composed(), record.state(), record.summary())
        found[f"{name} provenance"] = record.provenance()
        found[f"{name} rows"] = record.metrics()
        found[f"{name} command"] = rerun.command(record) if record.invocations() else SKIPPED
    for one, other in pairwise(records):
        difference.settings(one, other), difference.origin(one, other)
        difference.figures(one, other)
    tables, _ = tabulated(load(runs)[0], ROOT / "experiments")
    for selected, shown in tables:
        markdown_table(shown), latex(shown), csv(shown), sidecar(shown, selected)
    for history in read_histories(runs, [record.signature for record in records]).values():
        history.curve("train/loss")
    return found


def one_run(folder: Path) -> Path:
    """The first of the runs."""
    return sorted(path for path in (folder / "runs").iterdir() if path.name[0] != ".")[0]


def read_model(folder: Path) -> dict[str, Any]:
    """The whole model of the first run, built from its configuration."""
    model, settings = load_model(one_run(folder))
    return {"model": weights(model), "settings": settings.as_dict()}


def read_checkpoints(folder: Path) -> dict[str, Any]:
    """What a start takes up, of every run; a step back is said."""
    found: dict[str, Any] = {}
    for run in sorted(path for path in (folder / "runs").iterdir() if path.name[0] != "."):
        said: list[str] = []
        saved = Checkpoints(RunRecord(run).checkpoints, said.append)
        state = saved.load_newest()
        found[run.name] = skipped(*said) if said else flat(state)
        found[f"{run.name} best"] = saved.best() and (saved.best().name, saved.best_value(99))
        if said and state is not None:  # the one before it, whole
            assert flat(state) == flat(load_checked(saved.paths()[0]))
    return found


def read_encoder(folder: Path) -> dict[str, Any]:
    """The exported encoder of the first run."""
    return {"encoder": weights(import_encoder(one_run(folder) / "encoder.safetensors"))}


def read_published(folder: Path) -> dict[str, Any]:
    """An encoder of others."""
    return {"encoder": weights(FileEncoder(str(folder / "mae.pth")).load())}


def read_results(folder: Path) -> dict[str, Any]:
    """Results of evaluations and their tables."""
    found = {}
    for evaluated in load_evaluations(folder / "runs/.evaluations"):
        found[evaluated.name] = (evaluated.caption, evaluated.entries, texts(evaluated))
    return found


def read_storage(url: str, folder: Path) -> dict[str, Any]:
    """A study as analysis/sweep_report.py reports it, without pictures."""
    url = f"{url}:///{folder / url}"
    chosen_study(url, None)
    study = chosen_study(url, "s")
    assert study is not None
    frame = read_study(study)
    shares = importance(study, frame)
    best(frame), markdown(frame, {}, {})
    rows = frame.trials.to_dict("records")
    return {"shares": repr(shares), **{f"trial {row['number']}": repr(row) for row in rows}}


def weights(model: torch.nn.Module) -> dict[str, bytes]:
    """A model's tensors as bytes."""
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}


def flat(value: Any) -> Any:
    """A checkpoint's content without tensors."""
    if isinstance(value, torch.Tensor):
        return value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: flat(inner) for key, inner in value.items()}
    return [flat(inner) for inner in value] if isinstance(value, list | tuple) else value


RECORDS = ("config.yaml", "composed.yaml", "state.json", "summary.json", "provenance.json")
KINDS = [
    *(Kind(f"run: {name}", make_runs, read_records, name, 0.03) for name in RECORDS),
    Kind("run: invocations.jsonl", make_runs, read_records, "invocations.jsonl", 0.03),
    Kind("run: metrics.jsonl", make_runs, read_records, "metrics.jsonl", 0.03),
    Kind("run: config.yaml, model", make_runs, read_model, "config.yaml", 0.03),
    Kind("run: checkpoints", make_runs, read_checkpoints, "step-*", 0.03, can_tell=True),
    Kind("run: best.json", make_runs, read_checkpoints, "best.json", 0.01),
    Kind("run: encoder.safetensors", make_runs, read_encoder, "encoder.safetensors", 0.03,
         can_tell=True),
    Kind("encoder of others (.pth)", make_published, read_published, "mae.pth", 0.02),
    Kind("evaluation: results", make_runs, read_results, "sprites-*.json", 0.02),
    *(
        Kind(f"study: {url}", make_studies, partial(read_storage, url), url, 0.03)
        for url in ("sqlite", "journal")
    ),
]  # fmt: skip
