"""Read every clip of a data set once, find the broken ones, and note how far each is whole.

  python -m siammae.audit data=videos data.root=DIR [out=FILE] [workers=N] [timeout_s=60] [--strict]

Training uses the manifest with ``data.manifest=FILE``. Given again, the command goes on where it
was interrupted, and reads only changed files again. Exit codes: 0, the manifest is written; 1, with
``--strict``, a file is broken or damaged; 2, an error; 130, interrupted.
"""

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from siammae.config.check import read
from siammae.config.commands import AuditConfig
from siammae.data.auditing.findings import lost, summary_table
from siammae.data.auditing.run_audit import AuditSettings, audit, default_place
from siammae.launching.entry import report_user_errors, run
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS
from siammae.system.progress import console

STRICT, INTERRUPTED = 1, 130
outcome: list[int] = []  # of this process's job, for the exit code


@hydra.main(config_path=str(CONFIGS), config_name="audit")
@report_user_errors
def job(config: DictConfig) -> None:
    """Write the manifest and print the summary."""
    settings = read(config, AuditConfig)
    source = settings.build("data")
    if source.manifest is not None:
        raise ConfigError(
            f"data.manifest={source.manifest} is what an audit makes; name the file to be written "
            "with out="
        )
    source.max_broken = 1.0  # whatever is missing is reported, and no reason to stop
    source.prepare()
    option = str(HydraConfig.get().runtime.choices["data"])
    out = settings.out
    manifest = Path(out).expanduser() if out else default_place(source, option)
    how = AuditSettings(settings.workers, settings.timeout_s, settings.again, settings.progress)
    try:
        rows = audit(source, manifest, how)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        outcome.append(INTERRUPTED)
        return
    console().print(summary_table(rows, f"{len(rows):,} clips of {source.root}"))
    lines = lost(rows)
    for line in lines:
        print(line)
    print(f"written: {manifest}\nTrain with: {source.overrides()} data.manifest={manifest}")
    if lines and settings.strict:
        outcome.append(STRICT)


def main() -> int:
    """Run the command; return its exit code."""
    sys.argv[1:] = ["strict=true" if word == "--strict" else word for word in sys.argv[1:]]
    code = run(job)
    return code or (outcome[0] if outcome else 0)


if __name__ == "__main__":
    sys.exit(main())
