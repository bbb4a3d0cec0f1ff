"""Checkpoints on disk: which are read, which are kept."""

import pytest

from siammae.assembly.checkpoint import Checkpoints


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def checkpoints(tmp_path, warnings):
    return Checkpoints(tmp_path / "checkpoints", warn=warnings.append)


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def test_the_newest_whole_one_is_read_and_the_damaged_one_warned_of(checkpoints, warnings):
    for step in (3, 6):
        newest = checkpoints.save(step, {"step": step})
    damage(newest)
    assert checkpoints.load_newest() == {"step": 3}
    assert len(warnings) == 1
    assert "step-00000006.pt is damaged" in warnings[0]
    assert warnings[0].endswith("going back to the checkpoint before it")


def test_without_a_whole_one_it_is_said_that_training_starts_anew(checkpoints, warnings):
    for step in (3, 6):
        damage(checkpoints.save(step, {"step": step}))
    assert checkpoints.load_newest() is None
    assert [text.rpartition("; ")[2] for text in warnings] == [
        "going back to the checkpoint before it",
        "no whole checkpoint is left, and training starts anew",
    ]


def test_damaged_ones_of_a_later_step_do_not_outlive_new_ones(checkpoints):
    """After training anew the newest two by number would be the damaged ones."""
    for step in (6, 9):
        damage(checkpoints.save(step, {"step": step}))
    checkpoints.mark_best(checkpoints.paths()[-1], 0.5)
    assert checkpoints.save(3, {"step": 3}).is_file()
    assert checkpoints.load_newest() == {"step": 3}
    assert checkpoints.best() is None
