"""What a row of the data frame says of a run."""

from siammae.report.tables.runs_frame import load


def test_a_run_resumed_on_other_code_names_all_versions(make_run, tmp_path):
    record = make_run("aaaa", 0.5, {"mask_ratio": "0.9"}, code="c1")
    for step, code in ((3, "c2"), (6, "c1"), (9, "c2")):
        record.write_provenance({"code_version": code}, "", step=step)
    make_run("bbbb", 0.5, {"mask_ratio": "0.9"}, code="c1")
    make_run("cccc", 0.5, {"mask_ratio": "0.9"}, code=None)
    frame, skipped = load(tmp_path / "runs")
    assert not skipped
    assert list(frame["code_version"].fillna("none")) == ["c1+c2", "c1", "none"]


def test_device_and_precision_of_a_run_are_columns(make_run, tmp_path):
    record = make_run("aaaa", 0.5, {"mask_ratio": "0.9"})
    record.write_provenance({"device": "NVIDIA H100", "precision": "bf16"}, "")
    frame, _ = load(tmp_path / "runs")
    assert frame[["device", "precision"]].to_numpy().tolist() == [["NVIDIA H100", "bf16"]]
