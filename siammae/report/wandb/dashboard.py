"""Make a W&B workspace and report of a project: python analysis/make_dashboard.py ENTITY/PROJECT.

Both are written as code with wandb-workspaces: curves grouped by setting with their spread, the
effect of settings on the objective, pictures, and the differences between runs. ``--dry-run``
prints what would be sent, as JSON, and needs neither network nor key.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from siammae.evaluation.declared_metrics import metrics_of_our_benchmarks
from siammae.system.errors import ConfigError, DataError, SiammaeError
from siammae.tracking.wandb import has_key

if TYPE_CHECKING:
    from wandb_workspaces.reports.v2 import Report
    from wandb_workspaces.workspaces import Workspace

# Keys as siammae.tracking.wandb_columns writes them: flat, since W&B groups by nested keys under
# one name and filters them under another.
GROUP = "variant"
OBJECTIVE = "final/objective"
FACTORS = ("mask_ratio", "decoder", "masking", "augment", "encoder", "targets", "seed")
MEDIA = (
    "media/restored",
    "media/uncertainty",
    "media/attention",
    "media/pca",
    "media/arrows",
)
NAME = "siammae ablations"
INSTALL = "the dashboard needs wandb-workspaces: pip install 'siammae[dashboard]'"


def curves(axis: str = "pairs_seen") -> list[Any]:
    """Return line plots of losses, of benchmark figures during training, and of speed."""
    import wandb_workspaces.reports.v2 as wr

    shared: dict[str, Any] = {
        "x": axis,
        "groupby": wr.Config(GROUP),
        "groupby_aggfunc": "mean",
        "groupby_rangefunc": "stddev",
        "max_runs_to_show": 100,
    }
    return [
        wr.LinePlot(title="training loss", y=["train/loss"], log_y=True, **shared),
        wr.LinePlot(title="benchmarks", metric_regex=measured(), **shared),
        wr.LinePlot(title="learning rate", y=["train/lr"], **shared),
        wr.LinePlot(title="pairs a second", y=["speed/pairs_per_second"], **shared),
    ]


def measured() -> str:
    """Return a regular expression of the keys under which our benchmarks' metrics are logged."""
    metrics = [metric for metric in metrics_of_our_benchmarks() if not metric.detail]
    names = [m.name for m in metrics if m.better != "neither" and "(" not in m.name]
    return "|".join(f".*/{name}" for name in names)


def effects() -> list[Any]:
    """Return panels that show how the settings change the objective."""
    import wandb_workspaces.reports.v2 as wr

    column = wr.ParallelCoordinatesPlotColumn
    columns = [column(wr.Config(name)) for name in FACTORS]
    columns.append(column(wr.SummaryMetric(OBJECTIVE)))
    return [
        wr.BarPlot(
            title="objective by setting",
            metrics=[OBJECTIVE],
            groupby=wr.Config(GROUP),
            groupby_aggfunc="mean",
            groupby_rangefunc="stddev",
        ),
        wr.ParallelCoordinatesPlot(title="settings and objective", columns=columns),
        wr.ParameterImportancePlot(with_respect_to=OBJECTIVE),
        wr.ScatterPlot(
            title="quality and speed",
            x=wr.SummaryMetric("final/pairs_per_second"),
            y=wr.SummaryMetric(OBJECTIVE),
        ),
    ]


def looks() -> list[Any]:
    """Return a panel of restored frames and encoder pictures over training."""
    import wandb_workspaces.reports.v2 as wr

    return [wr.MediaBrowser(title="pictures", media_keys=list(MEDIA), num_columns=2)]


def comparison() -> list[Any]:
    """Return a panel with the settings and figures in which runs differ."""
    import wandb_workspaces.reports.v2 as wr

    return [wr.RunComparer(diff_only="split")]


SECTIONS = {
    "Curves": curves,
    "Settings": effects,
    "Pictures": looks,
    "Differences": comparison,
}


def workspace(entity: str, project: str) -> "Workspace":
    """Make the project's workspace: finished runs, grouped by ablation and setting."""
    import wandb_workspaces.workspaces as ws

    shown = [f"config:{key}" for key in ("ablation", GROUP, "seed")] + [f"summary:{OBJECTIVE}"]
    return ws.Workspace(
        entity=entity,
        project=project,
        name=NAME,
        sections=[
            ws.Section(name=title, panels=panels(), is_open=True)
            for title, panels in SECTIONS.items()
        ],
        settings=ws.WorkspaceSettings(x_axis="pairs_seen", smoothing_type="none"),
        runset_settings=ws.RunsetSettings(
            filters=[ws.Metric("State") == "finished"],
            groupby=[ws.Config("ablation"), ws.Config(GROUP)],
            order=[ws.Ordering(ws.Summary(OBJECTIVE), ascending=False)],
            pinned_columns=shown,
        ),
    )


def report(entity: str, project: str, runs_of: tuple[str, str]) -> "Report":
    """Make a report with the same panels and explanations.

    Args:
        entity: where the report is kept.
        project: likewise.
        runs_of: entity and project of its runs. Empty names mean the report's own; with them W&B's
            package asks the server already when the page is built.
    """
    import wandb_workspaces.reports.v2 as wr

    command = wr.InlineCode(text=f"python analysis/make_tables.py --wandb {entity}/{project}")
    words = (
        "Runs of siammae by setting; what is shaded is the standard deviation over seeds. The "
        "tables of the same runs, each figure with what is behind it: "
    )
    blocks: list[Any] = [wr.P([words, command])]
    for title, panels in SECTIONS.items():
        runs = wr.Runset(
            entity=runs_of[0],
            project=runs_of[1],
            name="finished runs",
            filters="State = 'finished'",
            groupby=["config.ablation", f"config.{GROUP}"],
        )
        blocks += [wr.H1(title), wr.PanelGrid(runsets=[runs], panels=panels())]
    return wr.Report(entity=entity, project=project, title=NAME, blocks=blocks, width="fluid")


def spec(entity: str, project: str) -> dict[str, Any]:
    """Return what would be sent, without the ids of panels that are drawn at random."""
    sheet = workspace(entity, project)._to_model().spec
    page = report(entity, project, ("", ""))._to_model().spec
    return {
        name: _without_ids(json.loads(model.model_dump_json(by_alias=True, exclude_none=True)))
        for name, model in (("workspace", sheet), ("report", page))
    }


def save(entity: str, project: str) -> list[str]:
    """Save a new workspace and a new report; return their addresses.

    Raises:
        ConfigError: without a key.
        DataError: when W&B refuses.
    """
    if not has_key():
        raise ConfigError("no W&B API key; run `wandb login`, or look first with --dry-run")
    os.environ.setdefault("WANDB_SILENT", "true")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    try:
        return [
            workspace(entity, project).save().url,
            report(entity, project, (entity, project)).save().url,
        ]
    except Exception as error:  # four unrelated kinds, one of them of a private module
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"W&B did not take the dashboard of {entity}/{project}: {reason}") from None


def _without_ids(value: Any) -> Any:
    """Remove the ids of panels, which are new each time, so that specifications can be compared."""
    if isinstance(value, dict):
        return {k: _without_ids(v) for k, v in value.items() if k not in ("__id__", "id", "ref")}
    return [_without_ids(item) for item in value] if isinstance(value, list) else value


@contextmanager
def _installed() -> Iterator[None]:
    """Import the optional package, or say how to install it.

    Raises:
        ConfigError: with the command that installs it.
    """
    try:
        import wandb_workspaces  # noqa: F401
    except ImportError:
        raise ConfigError(INSTALL) from None
    yield


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", metavar="ENTITY/PROJECT")
    parser.add_argument("--dry-run", action="store_true", help="print the JSON and send nothing")
    given = parser.parse_args()
    entity, _, project = given.project.partition("/")
    if not entity or not project or "/" in project:
        parser.error(f"{given.project}: write it as ENTITY/PROJECT")
    try:
        with _installed():
            if given.dry_run:
                print(json.dumps(spec(entity, project), indent=1))
            else:
                print("\n".join(save(entity, project)))
    except SiammaeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
