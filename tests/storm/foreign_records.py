"""Run folders that name commands, paths and words for a shell or for LaTeX."""

import copy
import json
import re
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from siammae.assembly.load_model import load_model
from siammae.evaluation.encoders.trained import RunEncoder
from siammae.report.make_tables import make_tables
from siammae.report.runs import rerun
from siammae.report.runs.listing import Filter, listed, table
from siammae.system.errors import SiammaeError
from siammae.system.paths import ROOT
from siammae.system.progress import console
from siammae.tracking.record import RunRecord

TARGETS = (
    "subprocess.Popen", "os.system", "builtins.exec", "siammae.system.errors.os.system",
    "siammae.model.encoder.torch.hub.load", "runpy.run_path",
)  # fmt: skip
SHELL = (
    "$({})", "`{}`", "x; {}", "x\n{}", "x' ; {} ; '", 'x" ; {} ; "', "x && {}", "x | {}",
    "\\\n{}", "--exec={}", "x\r{}", "x\u2028{}", "x\x00;{}", "# x\n{} #",
)  # fmt: skip
LATEX = (
    r"\immediate\write18{{{}}}", r"\input{{/etc/passwd}}", r"}}\input{{x}}", r"x\\\input|{}",
    "<script>{}</script>", '"><img src=x onerror={}>', "x|y\n|z", r"$\input{{x}}$",
)  # fmt: skip
# What runs or reads something when a table is shown.
HARMFUL = {
    ".tex": r"(?<!\\)\\(input|write18|immediate)",
    ".html": r"<script>touch|<img src=x onerror",
}
NAMES = (
    "../evil", "../../evil", "{outside}/evil", "a/../../../evil", "..", "", "x" * 400, "a\0b",
    "CON", "a/b", "~/evil", "\n", "a\nb", "-rf",
)  # fmt: skip


def groups(made: Path) -> Iterator[Iterator[tuple[str, Any]]]:
    """The attacks of each group; ``made`` holds real runs in `runs`."""
    yield settings(made)
    yield shell(made)
    yield tables(made)
    yield again(made)


def planted(made: Path, folder: Path) -> list[Path]:
    """Copy the runs; return their folders."""
    shutil.copytree(made / "runs", folder / "runs")
    return sorted(path for path in (folder / "runs").iterdir() if path.name[0] != ".")


def settings(made: Path) -> Iterator[tuple[str, Any]]:
    """A class that is no class of ours in every place of the configuration that can have one."""
    first = sorted(path for path in (made / "runs").iterdir() if path.name[0] != ".")[0]
    config = yaml.safe_load((first / "config.yaml").read_text())
    for place in [(), *sections(config)]:
        for target in TARGETS:
            for name in ("load_model", "encoder", "evaluate"):
                if name != "evaluate" or (target == TARGETS[0] and len(place) == 1):
                    yield (
                        f"{'.'.join(place)}: {target} ({name})",
                        partial(build, made, place, target, name),
                    )


def sections(config: dict[str, Any], before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the place of every section of a configuration."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield (*before, key)
            yield from sections(value, (*before, key))


def build(
    made: Path, place: tuple[str, ...], target: str, name: str, folder: Path, canary: Any
) -> None:
    """Build what a record describes, with the planted class in one place."""
    run = planted(made, folder)[0]
    config = yaml.safe_load((run / "config.yaml").read_text())
    section = config
    for key in place:
        section = section[key]
    evil = {"_target_": target, "args": canary.command, "command": canary.command, "shell": True}
    section |= evil | {"_args_": [canary.command], "_partial_": False}
    for key in ("config.yaml", "composed.yaml"):
        (run / key).write_text(yaml.safe_dump(config | {"trusted_packages": ["os", "subprocess"]}))
    if name == "load_model":
        load_model(run)
    elif name == "encoder":
        RunEncoder(str(run)).load()
        RunEncoder(str(run)).load_model()
    else:
        from siammae.evaluate import main

        sys.argv = ["evaluate", f"checkpoint={run}", "benchmark=sprites", "device=cpu"]
        sys.argv += ["benchmark.source.sequences=1", "+benchmark.source.clips=1"]
        sys.argv += [f"benchmark.source.root={made.with_name('sprites')}"]
        if main() not in (0, 2):
            raise AssertionError("neither measured nor refused")


def shell(made: Path) -> Iterator[tuple[str, Any]]:
    """Words for a shell wherever a record has words that are printed as commands."""
    for text in SHELL:
        for place in ("task", "override", "value", "commit", "version", "resumed", "experiment"):
            yield f"{place}: {text!r}", partial(print_command, made, place, text)


def print_command(made: Path, place: str, text: str, folder: Path, canary: Any) -> None:
    """Print the commands that make a run again, and have a shell read them."""
    run, evil = planted(made, folder)[0], text.format(canary.command)
    facts = json.loads((run / "provenance.json").read_text())
    asked = json.loads((run / "invocations.jsonl").read_text().splitlines()[-1])
    if place == "commit":
        facts["git"] = {"commit": evil, "dirty": True}
    elif place == "version":
        facts |= {"code_version": evil, "git": None}
    elif place == "resumed":
        facts["resumes"] = [{"step": 1, "code_version": evil}]
    elif place == "task":
        asked["task"] = [evil, f"seed={evil}"]
    elif place == "override":
        asked |= {"task": None, "overrides": {evil: "1"}}
    elif place == "value":
        asked |= {"task": None, "overrides": {"seed": evil}}
    else:
        asked["task"] = [f"experiments={evil}"]
    (run / "provenance.json").write_text(json.dumps(facts))
    (run / "invocations.jsonl").write_text(json.dumps(asked) + "\n")
    lines = "\n".join(rerun.command(RunRecord(run)))
    if "\0" not in lines:
        canary.shell(lines, folder)


def tables(made: Path) -> Iterator[tuple[str, Any]]:
    """Paths and commands wherever a record has names that come into tables or become files."""
    places = ("experiment", "override", "axis", "benchmark", "metric", "label", "error")
    for place in places:
        for text in (*NAMES, *LATEX):
            yield f"{place}: {text[:30]!r}", partial(show_tables, made, place, text)


def show_tables(made: Path, place: str, text: str, folder: Path, canary: Any) -> None:
    """List the runs and make all tables; no command of LaTeX or HTML may stand in them."""
    evil = text.format(canary.command, outside=canary.outside) if text else text
    for run in planted(made, folder):
        plant(run, place, evil)
    for path in (folder / "runs/.evaluations").glob("*.json"):
        entry = json.loads(path.read_text())
        if place == "benchmark":
            entry["benchmark"]["name"] = entry["result"]["name"] = evil
        elif place == "metric":
            entry["result"]["metrics"][evil] = 0.5
        elif place == "label":
            entry["label"] = evil
        path.write_text(json.dumps(entry))
    console().print(table(listed(folder / "runs", Filter())))
    written = make_tables(folder / "runs", folder / "level/tables", ROOT / "experiments")
    for path in written:
        told = path.read_text(errors="replace") if path.suffix in HARMFUL else ""
        if path.suffix == ".tex":
            told = re.sub(r"(?m)^%.*$", "", told)  # a comment obeys nothing up to its line's end
        assert not re.search(HARMFUL.get(path.suffix, "^x^"), told), path


def plant(run: Path, place: str, evil: str) -> None:
    """Put a text where the files of a run have one."""
    path = run / "invocations.jsonl"
    asked = json.loads(path.read_text().splitlines()[-1])
    summary = json.loads((run / "summary.json").read_text())
    state = json.loads((run / "state.json").read_text())
    if place == "experiment":
        asked["experiment"] = evil
    elif place == "override":
        asked["overrides"]["mask_ratio"] = evil
    elif place == "axis":
        asked |= {"axes": [evil], "overrides": {evil: "1"}, "experiment": None}
    elif place == "benchmark":
        summary["benchmark"]["name"] = summary["objective"]["benchmark"] = evil
    elif place == "metric":
        summary["metrics"][evil] = summary["benchmark"]["metrics"][evil] = 0.5
        summary["objective"]["metric"] = evil
    elif place == "label":
        asked["id"] = asked["preset"] = evil
    else:
        state |= {"state": "failed", "error": evil}
    path.write_text(json.dumps(asked) + "\n")
    (run / "summary.json").write_text(json.dumps(summary))
    (run / "state.json").write_text(json.dumps(state))


def again(made: Path) -> Iterator[tuple[str, Any]]:
    """Overrides with which Hydra or a group would run something."""
    keys = ("+hydra.callbacks.x", "hydra.launcher", "hydra.sweeper", "decoder", "benchmark", "data")
    for key in keys:
        evil = [f"{key}._target_=subprocess.Popen", f"+{key}.args='{{}}'", f"+{key}.shell=true"]
        yield f"task {evil[0]}", partial(retry, made, evil)
    for words in (["hydra.run.dir={outside}/evil"], ["runs_dir={outside}/evil"],
                  ["hydra.searchpath=[file://{outside}]"], ["--config-dir={outside}"],
                  ["--config-path={outside}", "--multirun"]):  # fmt: skip
        yield f"task {words[0]}", partial(retry, made, words)


def retry(made: Path, words: list[str], folder: Path, canary: Any) -> None:
    """Train a failed run once more, whose record asks for these overrides."""
    run = planted(made, folder)[0]
    asked = json.loads((run / "invocations.jsonl").read_text().splitlines()[-1])
    told = [word.replace("{}", canary.command) for word in copy.copy(words)]
    asked["task"] += [word.replace("{outside}", str(canary.outside)) for word in told]
    (run / "invocations.jsonl").write_text(json.dumps(asked) + "\n")
    state = json.loads((run / "state.json").read_text())
    (run / "state.json").write_text(json.dumps({**state, "state": "failed", "error": "x"}))
    failed = rerun.retry([RunRecord(run)], lambda _: None)
    if any("Traceback" in reason for reason in failed.values()):
        raise SiammaeError("a traceback of its own process")
