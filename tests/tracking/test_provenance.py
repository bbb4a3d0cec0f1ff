"""What a record says of the code that its run was trained with."""

import pytest

from siammae.tracking import provenance
from siammae.tracking.provenance import code_difference, code_files
from siammae.tracking.record import RunRecord


@pytest.fixture
def code(monkeypatch):
    """Files of the package and their hashes, which the test may edit."""
    files = {"model/siammae.py": "1", "data/reading/reader.py": "1"}
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
    assert {"model/siammae.py", "training/loop.py", "train.py"} <= set(files)
    assert not [name for name in files if name.startswith(("report/", "planning/", "launching/"))]
    assert "runs.py" not in files


def test_edited_and_removed_files_are_named(record, code):
    known = trained(record)
    assert code_difference(known) == ""
    code["model/siammae.py"] = "2"
    del code["data/reading/reader.py"]
    named = "siammae/data/reading/reader.py, siammae/model/siammae.py"
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
    code["model/siammae.py"] = "2"
    trained(record, step=3)
    assert code_difference(trained(record, step=6)) == "siammae/model/siammae.py"
    code["model/siammae.py"] = "1"
    known = trained(record, step=9)
    assert code_difference(known) == "siammae/model/siammae.py"
    assert ["code_files" in stage for stage in known["resumes"]] == [True, False, False]


def test_a_record_without_files_is_told_apart_by_its_version_alone(code):
    now = provenance.code_version()
    assert code_difference({"code_version": now}) == ""
    assert "older record" in code_difference({"code_version": "another"})
    assert code_difference({}) == ""
