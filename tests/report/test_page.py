"""The page of all tables: it stands alone, says all, and a label is never more than text."""

import base64
import hashlib
import re
import shutil
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from preloaded import run_command

from siammae.evaluation.measuring.metric import SHARE, Metric
from siammae.evaluation.measuring.result import BenchmarkResult
from siammae.evaluation.result_cache import CONTROL, Evaluations, Setting
from siammae.report import make_tables
from siammae.system.paths import ROOT

VOID = {"meta", "img", "br", "link", "input", "hr"}
BROWSER = shutil.which("chromium")


class Page(HTMLParser):
    """Tags with their attributes and the text in them; wrong nesting is an error."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes), len(self.texts)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag):
        return [attributes for name, attributes, _ in self.tags if name == tag]

    @property
    def text(self):
        shown = (data for tag, data in self.texts if tag not in ("style", "script"))
        return " ".join(" ".join(shown).split())


@pytest.fixture
def page(tmp_path):
    """Make the page of tmp_path/runs; returns it parsed, and as text."""

    def make():
        make_tables.make_tables(tmp_path / "runs", tmp_path / "tables", ROOT / "experiments")
        text = (tmp_path / "tables" / "index.html").read_text()
        return Page(text), text

    return make


def ratios(make_run):
    figures = (("0.5", 0.30), ("0.75", 0.45), ("0.9", 0.50), ("0.95", 0.40))
    for i, (ratio, jf) in enumerate(figures):
        for seed in (0, 1):
            overrides = {"mask_ratio": ratio, "seed": str(seed)}
            figure = jf + 0.02 * seed
            make_run(f"r{i}s{seed}", figure, overrides, seed=seed, experiment="mask_ratio")


def encoder(tmp_path, label, **metrics):
    setting = Setting("kitti", {"top_k": 7}, "f1")
    evaluations = Evaluations(tmp_path / "runs/.evaluations", setting)
    what = {"control": CONTROL} if label == CONTROL else {"encoder": {"content": label}}
    declared = (Metric("J", "more", SHARE),)
    result = BenchmarkResult("kitti", "J", metrics, settings={}, declared=declared)
    evaluations.keep(what, label, result)


def test_every_table_and_figure_is_on_it(make_run, page, tmp_path):
    ratios(make_run)
    for name in ("joint", "cross"):
        make_run(name, 0.3, {"decoder": name}, id="m2")
    encoder(tmp_path, CONTROL, J=0.1)
    encoder(tmp_path, "runs/abc", J=0.25)
    encoder(tmp_path, "other", J=0.125)
    parsed, _ = page()
    sections = [found["id"] for found in parsed.all("section")]
    assert sections == ["decoder", "mask_ratio", "evaluation-kitti"]
    assert [link["href"] for link in parsed.all("a")][:3] == [f"#{name}" for name in sections]
    pictures = [base64.b64decode(image["src"].partition(",")[2]) for image in parsed.all("img")]
    written = sorted((tmp_path / "tables").glob("*.png"))
    assert len(written) == 3  # bars, bars and the curve
    assert sorted(pictures) == sorted(path.read_bytes() for path in written)
    assert all(image["alt"] and int(image["width"]) > 300 for image in parsed.all("img"))
    for part in ("How much of the future frame should be hidden?", "preset demo", "58.1‡"):
        assert part in parsed.text
    assert "paper J&F" in parsed.text
    assert "58.1" in parsed.text
    values = [float(cell["data-value"]) for cell in parsed.all("td")[-3:]]
    assert values == [0.125, 0.25, 0.1] or values == [0.25, 0.125, 0.1]


def test_it_loads_nothing_and_allows_nothing_but_its_own(make_run, page):
    ratios(make_run)
    parsed, text = page()
    assert re.findall(r"https?:|//[a-z]|@import|url\(", re.sub(r"base64,[\w+/=]+", "", text)) == []
    assert not parsed.all("link")
    assert all("src" not in script for script in parsed.all("script"))
    assert all(image["src"].startswith("data:image/png;base64,") for image in parsed.all("img"))
    policy = next(meta for meta in parsed.all("meta") if "http-equiv" in meta)["content"]
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag in ("style", "script"):
        content = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not any("style" in found or "onclick" in found for _, found, _ in parsed.tags)


def test_a_label_is_text_whatever_it_says(make_run, page):
    wild = "<script>alert('1')</script>&amp;\"x\""
    make_run("one", 0.3, {"decoder": wild})
    make_run("two", 0.4, {"decoder": "b</table>"})
    make_run("bad", None, {"decoder": "c"}, state="failed")
    parsed, _ = page()
    assert len(parsed.all("script")) == 1
    assert f"decoder={wild}" in parsed.text
    assert "decoder=b</table>" in parsed.text
    values = [cell["data-value"] for cell in parsed.all("th") if "data-value" in cell]
    assert f"decoder={wild}" in values


def test_cells_have_what_to_sort_by(make_run, page):
    ratios(make_run)
    parsed, _ = page()
    heads = [head for head in parsed.all("th") if head.get("scope") == "col"]
    assert {head["aria-sort"] for head in heads} == {"none"}
    assert len(parsed.all("button")) == len(heads)
    assert [head["data-kind"] for head in heads[:3]] == ["text", "number", "number"]
    first = [index for index, (tag, _, _) in enumerate(parsed.tags) if tag == "tr"][1:7]
    shown = [
        next(found["data-value"] for tag, found, _ in parsed.tags[start:] if tag == "td")
        for start in first
    ]
    assert [float(value) for value in shown] == pytest.approx([0.31, 0.46, 0.51, 0.41, 0.2, 0.205])
    losses = [cell for cell in parsed.all("td") if cell["data-value"] == ""]
    assert losses  # a control has no loss


def test_a_figure_tells_what_is_behind_it(make_run, page):
    ratios(make_run)
    parsed, _ = page()
    told = next(found["title"] for tag, found, _ in parsed.tags if tag == "summary")
    assert "mean 31.00 over n = 2, seeds: 0, 1" in told
    assert "standard deviation 1.41" in told
    assert "r0s0 , seed 0, finished" in parsed.text
    assert "r0s1 , seed 1, finished" in parsed.text


def test_figures_of_the_statistics_are_told_where_there_are_some():
    import pandas as pd

    from siammae.report.tables.cell_facts import facts_of

    row = pd.Series(
        {
            "n": 3,
            "J": 0.5,
            "J/std": 0.01,
            "J/low": 0.475,
            "J/high": 0.525,
            "J/diff": -0.02,
            "J/diff_low": -0.03,
            "J/diff_high": -0.01,
            "J/p_holm": 0.0312,
            "J/mark": True,
            "paper/J": 59.6,
        }
    )
    assert facts_of(row, Metric("J", "more", SHARE), [0, 1, 2]) == [
        "mean 50.00 over n = 3, seeds: 0, 1, 2",
        "standard deviation 1.00",
        "95% interval 47.50 to 52.50",
        "against the default -2.00, 95% interval -3.00 to -1.00, "
        "p = 0.031 after Holm's correction *",
        "the paper's figure 59.6",
    ]


def test_links_lead_to_the_runs_and_files(make_run, page, tmp_path):
    ratios(make_run)
    make_run("bad run", None, {"mask_ratio": "0.9", "seed": "3"}, seed=3, state="failed",
             experiment="mask_ratio")  # fmt: skip
    parsed, _ = page()
    links = [link["href"] for link in parsed.all("a")]
    files = [link for link in links if not link.startswith("#")]
    assert "../runs/r0s0/" in files
    assert "../runs/bad%20run/" in files
    assert {"mask_ratio.csv", "mask_ratio.tex", "mask_ratio.json", "mask_ratio.md"} <= set(files)
    assert all((tmp_path / "tables" / unquote(file)).exists() for file in files)
    assert "DataError: no clips" in parsed.text
    assert "9 runs" in parsed.text


def test_it_says_when_and_with_what_it_was_made(make_run, page):
    from siammae.tracking.provenance import code_version

    ratios(make_run)
    parsed, _ = page()
    assert code_version() in parsed.text
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-].*", parsed.all("time")[0]["datetime"])
    names = [meta.get("name") for meta in parsed.all("meta")]
    assert {"viewport", "color-scheme"} <= set(names)
    assert parsed.all("html")[0]["lang"] == "en"


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs chromium")
def test_a_click_on_a_head_sorts_in_a_browser(make_run, page, tmp_path):
    ratios(make_run)
    _, text = page()
    click = """<script>
      const table = document.querySelector("table.sortable"), told = [];
      const values = (body) => [...body.rows].map((row) => row.cells[1].dataset.value);
      for (let i = 0; i < 3; i++) {
        table.querySelectorAll("button")[1].click();
        told.push([table.tHead.rows[0].cells[1].ariaSort, ...[...table.tBodies].map(values)]);
      }
      document.body.dataset.told = told.map((part) => part.join(" ")).join(" / ");
    </script></body>"""
    free = re.sub(r"<meta http-equiv[^>]*>", "", text).replace("</body>", click)
    (tmp_path / "clicked.html").write_text(free)
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = run_command(
        [*command, (tmp_path / "clicked.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    told = Page(done.stdout).all("body")[0]["data-told"]
    falling, rising, back = (re.split("[ ,]", part) for part in told.split(" / "))
    rows = {name: part[1:5] for name, part in (("falling", falling), ("rising", rising))}
    assert (falling[0], rising[0], back[0]) == ("descending", "ascending", "none")
    assert [round(float(value), 2) for value in rows["falling"]] == [0.51, 0.46, 0.41, 0.31]
    assert [round(float(value), 2) for value in rows["rising"]] == [0.31, 0.41, 0.46, 0.51]
    assert [round(float(value), 3) for value in back[1:]] == [0.31, 0.46, 0.51, 0.41, 0.2, 0.205]
    assert {round(float(value), 3) for value in falling[5:]} == {0.2, 0.205}  # controls stay below
