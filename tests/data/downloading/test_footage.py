"""What training reads of each published set: whole, and with one thing missing."""

import pytest
import yaml
from set_layouts import WRITERS, smaller, write

from siammae.data.downloading.catalog import load
from siammae.data.downloading.complete import inspect
from siammae.system.errors import ConfigError
from siammae.system.paths import CONFIGS


@pytest.mark.parametrize(
    ("name", "writer"), [(name, writer) for name in WRITERS for writer in WRITERS[name]]
)
def test_a_whole_set_is_complete_and_what_it_lacks_is_reported(tmp_path, name, writer):
    dataset = smaller(name).of(None)
    assert not inspect(dataset, tmp_path / "nothing").complete
    lost = writer(tmp_path)
    assert inspect(dataset, tmp_path).lacks == []
    text = (tmp_path / lost).read_text()
    (tmp_path / lost).unlink()
    assert inspect(dataset, tmp_path).lacks
    write(tmp_path, lost, text=text)
    assert inspect(dataset, tmp_path).complete


def test_folders_are_those_that_training_reads():
    for name in WRITERS:
        config = CONFIGS / "data" / f"{name}.yaml"
        if config.is_file():  # a sheet may be there before the option
            assert load(name).root == yaml.safe_load(config.read_text())["root"]


def test_a_split_is_looked_at_alone(tmp_path):
    dataset = smaller("kinetics400")
    for number in range(12):
        write(tmp_path, f"val/{number}.mp4")
    assert inspect(dataset.of("val"), tmp_path).complete
    assert not inspect(dataset.of("train"), tmp_path).complete
    assert not inspect(dataset.of("all"), tmp_path).complete
    assert {source.split for source in dataset.of("val").parts} == {"val"}
    assert len(dataset.of("all").parts) == 3
    assert dataset.of(None).parts == dataset.of("train").parts
    with pytest.raises(ConfigError, match="split=validation: there are train, val, test, all"):
        dataset.of("validation")
    with pytest.raises(ConfigError, match="split=train: this data set is fetched as a whole"):
        load("ucf101").of("train")


def test_benchmark_and_data_share_a_sheet_and_look_at_their_own_files(tmp_path):
    WRITERS["vspw"][0](tmp_path)
    assert inspect(load("vspw").for_training(), tmp_path).complete
    assert not inspect(load("vspw"), tmp_path).complete


def test_davis_is_the_archive_of_the_benchmark():
    ours, theirs = load("davis"), load("davis2017")
    assert (ours.files, ours.root) == (theirs.files, theirs.root)
