"""Read every clip of a data set once, find the broken ones, and note how each is to be read.

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

from siammae.config.groups import build_group
from siammae.config.schema import check_progress
from siammae.data.auditing.findings import lost, summary_table
from siammae.data.auditing.run_audit import AGAIN, Settings, audit, default_place
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
    settings = settings_from(config)
    if config.data.get("manifest") is not None:
        given = f"data.manifest={config.data.manifest}"
        raise ConfigError(f"{given} is what an audit makes; name the file to be written with out=")
    if "max_broken" in config.data:  # missing files are reported, and are no reason to stop
        config.data.max_broken = 1.0
    source = build_group(config, "data")
    source.prepare()
    option = str(HydraConfig.get().runtime.choices["data"])
    manifest = Path(str(config.out)).expanduser() if config.out else default_place(source, option)
    try:
        rows = audit(source, manifest, settings)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        outcome.append(INTERRUPTED)
        return
    console().print(summary_table(rows, f"{len(rows):,} clips of {source.root}"))
    lines = lost(rows)
    for line in lines:
        print(line)
    print(f"written: {manifest}\nTrain with: {source.overrides()} data.manifest={manifest}")
    if lines and config.strict:
        outcome.append(STRICT)


def settings_from(config: DictConfig) -> Settings:
    """Check types and ranges, and return the settings.

    Raises:
        ConfigError: with the key, its value and what would be right.
    """
    check_progress(config.progress)
    for key in ("workers", "reads"):
        value = config[key]
        if not (value is None and key == "workers") and (type(value) is not int or value < 1):
            raise ConfigError(f"{key}={value}: an int of at least 1 is needed")
    if type(config.timeout_s) not in (int, float) or not 0 < config.timeout_s < float("inf"):
        raise ConfigError(f"timeout_s={config.timeout_s}: a number of seconds above 0 is needed")
    if config.again not in AGAIN:
        raise ConfigError(f"again={config.again}: must be one of {', '.join(AGAIN)}")
    if not isinstance(config.strict, bool):
        raise ConfigError(f"strict={config.strict}: must be true or false")
    return Settings(
        config.workers, float(config.timeout_s), config.reads, config.again, config.progress
    )


def main() -> int:
    """Run the command; return its exit code."""
    sys.argv[1:] = ["strict=true" if word == "--strict" else word for word in sys.argv[1:]]
    code = run(job)
    return code or (outcome[0] if outcome else 0)


if __name__ == "__main__":
    sys.exit(main())
