"""What a record says of the code that its run was trained with."""

import subprocess

import pytest

from siammae.tracking import provenance
from siammae.tracking.provenance import code_difference, code_files
from siammae.tracking.record import RunRecord


@pytest.fixture
def code(monkeypatch):
    """Files of the package and their hashes, which the test may edit."""
    files = {"methods/siammae.py": "1", "data/reading/reader.py": "1"}
    monkeypatch.setattr(provenance, "code_files", lambda: dict(files))
    return files


@pytest.fixture
def record(tmp_path, code):
    record = RunRecord(tmp_path / "abc")
    record.create({"seed": 0})
    return record


def trained(record, step=0):
    record.write_provenance(*provenance.provenance(), step)
    return record.provenance()


def test_files_that_can_change_a_result_are_known_one_by_one():
    files = code_files()
    assert {"methods/siammae.py", "training/loop.py", "train.py"} <= set(files)
    assert not [name for name in files if name.startswith(("report/", "planning/", "launching/"))]
    assert "runs.py" not in files


def test_edited_and_removed_files_are_named(record, code):
    known = trained(record)
    assert code_difference(known) == ""
    code["methods/siammae.py"] = "2"
    del code["data/reading/reader.py"]
    named = "siammae/data/reading/reader.py, siammae/methods/siammae.py"
    assert code_difference(known) == named


def test_a_new_file_leaves_the_runs_of_before_as_they_are(record, code):
    known = trained(record)
    code["model/gated.py"] = "1"
    assert code_difference(known) == ""


def test_many_files_are_counted(record, code):
    code.update({f"training/part_{number}.py": "1" for number in range(10)})
    known = trained(record)
    code.update({f"training/part_{number}.py": "2" for number in range(10)})
    assert code_difference(known).endswith("siammae/training/part_7.py, 2 more")


def test_code_that_a_resume_used_counts_and_is_kept_once(record, code):
    trained(record)
    code["methods/siammae.py"] = "2"
    trained(record, step=3)
    assert code_difference(trained(record, step=6)) == "siammae/methods/siammae.py"
    code["methods/siammae.py"] = "1"
    known = trained(record, step=9)
    assert code_difference(known) == "siammae/methods/siammae.py"
    assert ["code_files" in stage for stage in known["resumes"]] == [True, False, False]


def test_a_record_without_files_is_told_apart_by_its_version_alone(code):
    now = provenance.code_version()
    assert code_difference({"code_version": now}) == ""
    assert "older record" in code_difference({"code_version": "another"})
    assert code_difference({}) == ""


def git(folder, *arguments, **options):
    return subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        **options,
    ).stdout


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with the package, as a clone has it."""
    root = tmp_path / "clone"
    (root / "siammae").mkdir(parents=True)
    (root / "siammae" / "loss.py").write_text("a = 1\n")
    (root / "siammae" / "latin.py").write_bytes(b"# caf\xe9\n")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    monkeypatch.setattr(provenance, "PACKAGE", root / "siammae")
    return root


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("color.ui", "always"), ("diff.noprefix", "true"), ("diff.external", "false")],
        *[("diff.mnemonicPrefix", "true"), ("core.pager", "false"), ("color.diff", "always")],
    ],
)
def test_a_kept_diff_applies_whatever_git_is_told(checkout, tmp_path, key, value):
    """New files and bytes that are no UTF-8 are in it; git's own index stays as it is."""
    git(checkout, "config", key, value)
    (checkout / "siammae" / "loss.py").write_text("a = 2\n")
    (checkout / "siammae" / "latin.py").write_bytes(b"# caf\xe9 \xff\n")
    (checkout / "siammae" / "new.py").write_text("b = 3\n")
    record = RunRecord(tmp_path / "abc")
    record.create({"seed": 0})
    facts, diff = provenance.provenance()
    record.write_provenance(facts, diff)
    assert facts["git"]["dirty"] is True
    assert b"?? siammae/new.py" in git(checkout, "status", "--porcelain", "--no-renames")
    fresh = tmp_path / "fresh"
    git(tmp_path, "clone", "-q", str(checkout), str(fresh))
    git(fresh, "apply", "--check", str(record.folder / "git.diff"))
    git(fresh, "apply", str(record.folder / "git.diff"))
    for name in ("loss.py", "latin.py", "new.py"):
        mine, theirs = checkout / "siammae" / name, fresh / "siammae" / name
        assert mine.read_bytes() == theirs.read_bytes()


def test_a_repository_around_the_package_is_not_its_own(tmp_path, monkeypatch):
    package = tmp_path / "dotfiles" / "lib" / "siammae"
    package.mkdir(parents=True)
    (package / "loss.py").write_text("a = 1\n")
    git(tmp_path / "dotfiles", "init", "-q")
    git(tmp_path / "dotfiles", "add", ".")
    git(tmp_path / "dotfiles", "commit", "-qm", "private")
    (tmp_path / "dotfiles" / "secret").write_text("x")
    (package / "loss.py").write_text("a = 2\n")
    monkeypatch.setattr(provenance, "PACKAGE", package)
    facts, diff = provenance.provenance()
    assert (facts["git"], diff) == ({"commit": None, "dirty": False}, "")


def test_an_unchanged_checkout_has_no_diff(checkout):
    facts, diff = provenance.provenance()
    assert diff == ""
    assert facts["git"]["commit"] == git(checkout, "rev-parse", "HEAD", text=True).strip()
