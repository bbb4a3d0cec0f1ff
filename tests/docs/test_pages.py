"""README is short, and links of README, CONTRIBUTING and docs/ lead to files that exist."""

import re

import pytest

from siammae.system.paths import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
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
