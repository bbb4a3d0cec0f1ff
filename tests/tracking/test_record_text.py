import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siammae.system.errors import DataError
from siammae.tracking import record_text as parcel
from siammae.tracking.record import Invocation, RunRecord
from siammae.tracking.record_text import FILES, KEY, UNFINISHED, contents, digest, pack, unpack


@pytest.fixture
def record(tmp_path):
    made = RunRecord(tmp_path / "abc123")
    made.create({"seed": 0, "ümlaut": "ß"}, {"seed": 0})
    made.write_provenance({"created": 1.0}, "a diff")
    made.note_invocation(Invocation("m1", ["x"], None, {"seed": "0"}, [], "demo", 0))
    made.write_summary({"metrics": {"J": 0.1 + 0.2, "nan": float("nan")}})
    made.set_state("finished")
    return made


def test_what_is_packed_comes_out_byte_for_byte(record):
    found = unpack(pack(record, 5.0), "abc123")
    assert found["sent"] == 5.0
    assert set(found["files"]) == set(FILES)
    for name, text in found["files"].items():
        assert text.encode() == (record.folder / name).read_bytes()


def test_long_records_go_in_pieces_and_a_stale_piece_is_noticed(record, monkeypatch):
    monkeypatch.setattr(parcel, "PIECE", 100)
    packed = pack(record, 1.0)
    assert len(packed) > 3
    assert all(len(piece) < 130 for piece in packed.values())
    assert unpack(packed, "abc123")["files"] == contents(record)
    del packed[f"{KEY}_3"]
    with pytest.raises(DataError, match="its record is"):
        unpack(packed, "abc123")


@pytest.mark.parametrize("later", [KEY, UNFINISHED])
def test_the_later_of_two_records_is_true_in_whatever_order_they_came(record, later):
    ends = {KEY: 1.0, UNFINISHED: 1.0, later: 2.0}
    config = {}
    for state, key in (("finished", KEY), ("interrupted", UNFINISHED)):
        record.set_state(state)
        config |= pack(record, ends[key])
    assert set(config) == {KEY, UNFINISHED}
    state = json.loads(unpack(config, "abc123")["files"]["state.json"])["state"]
    assert state == ("finished" if later == KEY else "interrupted")


def test_a_configuration_without_a_record_gives_none():
    assert unpack({"mask_ratio": 0.9}, "abc123") is None


@given(st.text(max_size=200) | st.binary(max_size=50).map(str) | st.integers())
def test_anything_else_is_refused_and_never_crashes(value):
    for prefix in ("", "siammae-record-1:1:", "siammae-record-1:3:"):
        with pytest.raises(DataError, match="its record"):
            unpack({KEY: f"{prefix}{value}"}, "abc123")


def test_the_same_command_again_changes_nothing_that_a_table_needs(record):
    before = digest(record)
    record.set_state("finished", step=5)
    record.note_invocation(Invocation("m2", ["x"], None, {"seed": "0"}, [], "demo", 3))
    assert digest(record) == before
    record.note_invocation(Invocation("m3", ["x"], "decoder", {"seed": "0"}, [], "demo", 0))
    assert digest(record) != before
