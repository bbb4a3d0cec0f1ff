import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from siammae.report.tables.statistics_table import read_defaults
from siammae.report.wandb import dashboard as make_dashboard
from siammae.system.errors import ConfigError, DataError
from siammae.tracking.wandb_columns import columns, figures

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "analysis" / "make_dashboard.py"


pytest.importorskip("wandb_workspaces")


def start(*arguments, code=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
    env |= {"WANDB_BASE_URL": "http://127.0.0.1:9", "HOME": "/nonexistent"}
    command = [sys.executable, *(["-c", code] if code else [str(SCRIPT)]), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)


def panels(section):
    return {panel["viewType"]: panel["config"] for panel in section["panels"]}


def test_a_dry_run_prints_the_whole_specification_without_network_or_key():
    done = start("ent/p", "--dry-run")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    bank = told["workspace"]["section"]["panelBankConfig"]
    found = {name: config for part in bank["sections"] for name, config in panels(part).items()}
    assert set(found) == {
        "Run History Line Plot",
        "Bar Chart",
        "Parallel Coordinates Plot",
        "Parameter Importance",
        "Scatter Plot",
        "Media Browser",
        "Run Comparer",
    }
    plotted = re.compile(make_dashboard.measured())
    logged = [
        "davis2017/J&F-Mean",
        "all_paper/vip/mIoU",
        "jhmdb/PCK@0.1",
        "kitti_flow/within-16-px",
    ]
    assert all(plotted.fullmatch(name) for name in logged)
    assert not any(plotted.fullmatch(name) for name in ("davis2017/J-Recall", "train/loss"))
    for part in bank["sections"][0]["panels"]:
        config = part["config"]
        assert config["xAxis"] == "pairs_seen"
        assert (config["groupBy"], config["groupArea"]) == ("variant.value", "stddev")
    text = json.dumps(told["report"])
    assert "make_tables.py --wandb ent/p" in text
    assert "Parameter Importance" in text


def test_what_it_plots_is_what_runs_log(make_run):
    """A renamed key would leave an empty panel, and nobody would be told."""
    record = make_run("one", 0.5, {"mask_ratio": "0.9"}, choices={"decoder": "joint"})
    told = columns(record)
    assert told["ablation"] == "mask_ratio"
    assert told[make_dashboard.GROUP] == "mask_ratio=0.9"
    assert told["decoder"] == "joint"
    assert figures(record)[make_dashboard.OBJECTIVE] == 0.5
    known = read_defaults(ROOT / "configs" / "train.yaml")
    assert set(make_dashboard.FACTORS) <= set(known)
    places = ("evaluation/pictures/encoder_pictures.py", "training/loop.py")
    logged = "".join((ROOT / "siammae" / place).read_text() for place in places)
    for key in make_dashboard.MEDIA:
        name = key.removeprefix("media/")
        assert name == "restored" or f'"{name}"' in logged


def test_it_is_saved_as_it_was_printed(wandb_server):
    wandb_server.runs("p")
    sheet, page = make_dashboard.save("ent", "p")
    assert sheet.startswith(wandb_server.url)
    assert "/reports/" in page
    kinds = [view["type"] for view in wandb_server.views]
    assert kinds == ["project-view", "runs"]
    sent = [make_dashboard._without_ids(json.loads(v["spec"])) for v in wandb_server.views]
    printed = make_dashboard.spec("ent", "p")
    assert sent[0] == printed["workspace"]
    assert [b["type"] for b in sent[1]["blocks"]] == [
        b["type"] for b in printed["report"]["blocks"]
    ]


def test_what_hinders_it_is_told_in_one_line(wandb_server, monkeypatch):
    wandb_server.statuses = {"UpsertView2": [403]}
    with pytest.raises(DataError, match=r"did not take the dashboard of ent/p: .*403"):
        make_dashboard.save("ent", "p")
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(ConfigError, match="no W&B API key"):
        make_dashboard.save("ent", "p")
    hidden = f"import sys, runpy; sys.path.insert(0, {str(SCRIPT.parent)!r}); "
    hidden += "sys.modules['wandb_workspaces'] = None; "
    hidden += f"sys.argv[0] = {str(SCRIPT)!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
    done = start("ent/p", "--dry-run", code=hidden)
    assert done.returncode == 2
    assert done.stderr.strip() == f"error: {make_dashboard.INSTALL}"
    assert "write it as ENTITY/PROJECT" in start("p").stderr
