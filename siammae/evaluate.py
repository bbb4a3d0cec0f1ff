"""Measure an encoder on a benchmark.

python -m siammae.evaluate checkpoint=runs/SIGNATURE benchmark=davis2017 benchmark.root=DIR
python -m siammae.evaluate features=timm model=vit_small_patch16_224.dino benchmark=davis2017
python -m siammae.evaluate features=file path=mae_pretrain_vit_base.pth benchmark=davis2017
torchrun --nproc-per-node=4 -m siammae.evaluate ...   any of these, each process with its videos
"""

import sys
from pathlib import Path
from typing import Any

import hydra
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from siammae.config.check import literal, read, validate
from siammae.config.commands import EvaluateConfig
from siammae.config.composition import plain_keys
from siammae.config.groups import Group
from siammae.config.schema import ALL, PAPER
from siammae.evaluation.encoders.choose import choose_source
from siammae.evaluation.encoders.source import Source
from siammae.evaluation.measured import (
    RESULT_FILES,
    check_writable,
    incomplete,
    measured,
)
from siammae.evaluation.measuring.ledger import make_ledger
from siammae.evaluation.measuring.result import BenchmarkResult
from siammae.evaluation.measuring.show import show_result
from siammae.launching.entry import report_user_errors, run
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS
from siammae.system.printable import printable
from siammae.system.processes import is_leader, refuse_with_torchrun, silence
from siammae.system.valid_json import valid_json
from siammae.tracking.record import write_atomic
from siammae.training.distributed import Team, join_team

CHANGES = ".changes"  # in results_dir: what a protocol's settings make one kind at a time


@hydra.main(config_path=str(CONFIGS), config_name="evaluate")
@report_user_errors
def job(config: DictConfig) -> float:
    """Print the figures of an encoder; returns its quality, see `BenchmarkResult.quality`."""
    refuse_with_torchrun(HydraConfig.get().runtime.choices)
    team = join_team()
    with team.end_together():
        with team.raise_in_all():
            settings, source = prepared(config)
            if team.size > 1:  # each process has its own device
                device = str(team.device(settings.device))
                settings = settings.model_copy(update={"device": device})
        if settings.protocol["name"] == ALL:
            return under_all(settings, source, team)
        found = measured(settings, source, share=team)
        with team.raise_in_all():
            if team.is_main:
                title = f"{found.label} on {found.result.name}"
                show_result(found.result, title, found.control)
                if settings.out is not None:
                    write_result(found.result, Path(settings.out))
        return found.result.quality


def prepared(config: DictConfig) -> tuple[EvaluateConfig, Source]:
    """Return the settings, whose folders can be written, and where the encoder comes from."""
    settings = read(config, EvaluateConfig)
    if settings.benchmark.target is None:
        raise ConfigError("benchmark=none measures nothing; name one, such as benchmark=davis2017")
    source = choose_source(settings)
    if settings.protocol["name"] == ALL:
        for key in ("save_masks", "overlay"):
            if getattr(settings, key) is not None:
                raise ConfigError(f"{key}: protocol=all has no masks of its own; name one protocol")
        check_writable(settings, "out", "results_dir")
        return settings, source
    if settings.build("benchmark").needs_model:
        settings = with_run(config, source)
    check_writable(settings, "out", "save_masks", "overlay")
    return settings, source


def under_all(settings: EvaluateConfig, source: Source, team: Team) -> float:
    """Print the ledger of an encoder under every protocol; returns its quality under the first."""
    # Here, because tables import pandas, for which other evaluations need not wait.
    from siammae.report.tables.ledger import show_ledger, write_ledger

    given = [word for word in HydraConfig.get().overrides.task if word != f"protocol={ALL}"]
    configs = {}
    with team.raise_in_all():
        for name in protocols():
            config = compose("evaluate", [*given, f"protocol={name}"])
            configs[name] = read(config, EvaluateConfig).benchmark.as_dict()

    def measure(benchmark: dict[str, Any], folder: str = "") -> BenchmarkResult:
        group = Group.model_validate(benchmark)
        kept = str(Path(settings.results_dir) / folder)
        of_this = settings.model_copy(update={"benchmark": group, "results_dir": kept})
        found = measured(of_this, source, with_control=not folder, share=team)
        labels.append(found.label)
        return found.result

    labels: list[str] = []
    ledger = make_ledger(configs, measure, lambda changed: measure(changed, CHANGES))
    with team.raise_in_all():
        if team.is_main:
            show_ledger(ledger, labels[0])
            if settings.out is not None:
                write_ledger(ledger, labels[0], Path(settings.out))
    return ledger.first.quality


def protocols() -> list[str]:
    """Return the names of all protocols, the default first."""
    names = sorted(path.stem for path in (CONFIGS / "protocol").glob("*.yaml"))
    return sorted(set(names) - {ALL}, key=lambda name: (name != PAPER, name))


def with_run(config: DictConfig, source: Source) -> EvaluateConfig:
    """Return the settings with references to the run that is measured resolved.

    Benchmarks may refer to its settings, as ``${oc.select:frame_gap,null}`` does.
    """
    own: Any = OmegaConf.to_container(config, resolve=False)
    whole = OmegaConf.create({**literal(source.trained_as()), **own})
    return validate(plain_keys(whole, own), EvaluateConfig)


def write_result(result: BenchmarkResult, folder: Path) -> None:
    """Write ``result.json`` and ``per_object.csv``."""
    import csv
    from io import StringIO

    text = StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(k for row in result.per_object for k in row)))
    writer.writeheader()
    writer.writerows(result.per_object)
    contents = (valid_json(result.as_dict()), text.getvalue())
    try:
        for name, content in zip(RESULT_FILES, contents, strict=True):
            write_atomic(folder / name, content)
    except OSError as error:
        raise ConfigError(f"out={folder} cannot be written: {error.strerror}") from None
    print("written: " + ", ".join(str(folder / name) for name in RESULT_FILES))


def main() -> int:
    """Entry point; 1 when videos failed and the others were measured."""
    if not is_leader():
        silence()
    code = run(job)
    for lacking in incomplete() if is_leader() else ():
        print(printable(f"error: {lacking}"), file=sys.stderr)
    return code or int(bool(incomplete()))


if __name__ == "__main__":
    sys.exit(main())
