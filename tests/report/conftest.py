"""Run folders through the record's own functions, with figures chosen by the test."""

import pytest

from siammae.tracking.record import Invocation, RunRecord


@pytest.fixture
def make_run(tmp_path):
    """make_run(name, jf, overrides, ...) writes a run; jf=None leaves it unfinished.

    Facts of interest beside: ``seed``, ``experiment``, ``state``, ``history`` (rows of metrics),
    ``seconds`` of training, ``device``, ``short`` (how many of 96 pairs had a smaller gap).
    """

    def make(name, jf, overrides, **facts):
        told = {"experiment": None, "id": "m1", "state": "finished", "seed": 0, "preset": "demo"}
        told |= {"data": "d1", "bench": "b1", "code": "c1", "created": 1.0, "control": 0.2, **facts}
        axes = told.get("axes", [key for key in overrides if key != "seed"])
        record = RunRecord(tmp_path / "runs" / name)
        config = {"seed": told["seed"], "mask_ratio": 0.9, **told.get("config", {})}
        record.create(config, told.get("composed"))
        provenance = {
            "created": told["created"],
            "preset": told["preset"],
            "git": {"commit": "f00", "dirty": told.get("dirty", False)},
        }
        provenance |= {
            "device": told.get("device"),
            "benchmark": "sprites",
            "data_fingerprint": told["data"],
            "benchmark_fingerprint": told["bench"],
        }
        record.write_provenance({**provenance, "code_version": told["code"]}, "")
        command = ["-m", "siammae.train", *(f"{k}={v}" for k, v in overrides.items())]
        record.note_invocation(
            Invocation(
                told["id"],
                command,
                told["experiment"],
                overrides,
                axes,
                told["preset"],
                0,
                told.get("choices", {}),
                time=told.get("asked", told["created"]),
            )
        )
        if jf is not None:
            metrics = {"J&F-Mean": jf, "J-Mean": jf + 0.02, "F-Mean": jf - 0.02}
            control = dict.fromkeys(metrics, told["control"])
            untrained = dict.fromkeys(metrics, told["control"] + 0.01 * told["seed"])
            rows = {key: told[key] for key in ("per_object", "failed", "videos") if key in told}
            record.write_summary(
                {
                    "benchmark": {"name": "sprites", "metrics": metrics, **rows},
                    "metrics": {
                        "train/loss": 1 - jf,
                        **{f"sprites/{key}": value for key, value in metrics.items()},
                    },
                    "controls": {
                        "copy_first_mask": {"metrics": control},
                        "untrained_encoder": {"metrics": untrained},
                    },
                    "objective": {"benchmark": "sprites", "metric": "J&F-Mean", "value": jf},
                    "seconds": told.get("seconds"),
                    **(
                        {"pairs_seen": 96, "data": {"short_gap_pairs": told["short"]}}
                        if "short" in told
                        else {}
                    ),
                }
            )
        for row in told.get("history", ()):
            record.log_metrics(row)
        error = {"error": "DataError: no clips"} if told["state"] == "failed" else {}
        record.set_state(told["state"], **error)
        return record

    return make
