"""README is short, and links of README, CONTRIBUTING and docs/ lead to files that exist."""

import re

import pytest

from siammae.system.paths import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = "siammae|configs|experiments|sweeps|analysis|tests|docs"
SOURCES = "\n".join(path.read_text() for path in (ROOT / "siammae").rglob("*.py"))
CLASSES = set(re.findall(r"^class (\w+)", SOURCES, re.MULTILINE))
OF_LIBRARIES = {"SoftFileLease"}
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def test_the_readme_is_read_in_a_few_minutes():
    assert len((ROOT / "README.md").read_bytes()) <= 8192


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    targets = LINK.findall(page.read_text())
    lost = [
        target for target in targets if "://" not in target and not (page.parent / target).exists()
    ]
    assert not lost


@pytest.mark.parametrize("page", (ROOT / "docs").glob("*.md"), ids=lambda page: page.name)
def test_the_site_has_every_page(page):
    assert page.name in (ROOT / "mkdocs.yml").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_classes_that_are_named_exist(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    files = re.findall(rf"`((?:{FOLDERS})/[^`\s]*|[^`\s]*/[^`\s]*\.py)`", text)
    lost = [file for file in files if not re.search("[A-Z]{4}", file) and not is_there(file)]
    assert not lost
    named = re.findall(
        r"`([A-Z][a-z]+[A-Z]\w+|Benchmark|Decoder|Encoding|Head|Masking|Source)`", text
    )
    assert set(named) <= CLASSES | OF_LIBRARIES


def is_there(file):
    """Whether a file lies in the repository, or in one of its rooms."""
    places = (ROOT, ROOT / "siammae", *(ROOT / "siammae").iterdir())
    return any((place / file).exists() for place in places)
