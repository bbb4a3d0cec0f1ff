"""The fingerprint of kept results is of what files hold; each file is read once."""

import importlib.util
import os
from pathlib import Path

import pytest
from PIL import Image

from siammae.evaluation.benchmarks.suite import Suite
from siammae.evaluation.files.contents import Contents

spec = importlib.util.spec_from_file_location(
    "damaged", Path(__file__).parent / "test_damaged_files.py"
)
made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)

OLD = 10**9  # seconds since 1970: a time of change that is long past


@pytest.mark.parametrize("make", made.BENCHMARKS, ids=lambda make: make.__name__)
def test_other_content_of_the_same_size_is_another_benchmark(tmp_path, make):
    benchmark = make(tmp_path / "set")

    def prints():
        return benchmark.fingerprint(), benchmark.content_fingerprint(contents(tmp_path))

    quick, first = prints()
    assert prints() == (quick, first)
    video = benchmark.videos()[0]
    files = [benchmark.frames(video)[1]]
    files += [benchmark.files.annotated(video)[0][1]] if make is made.linear else []
    if make not in (made.linear, made.uvo):  # a JSON with another character would be none
        files += benchmark.label_files(video)[:1]
    for path in files:
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert prints()[1] != first
        path.write_bytes(whole)
        assert prints() == (quick, first)


def contents(folder):
    return Contents(folder / "results/.contents")


def test_parts_of_a_suite_count(tmp_path):
    parts = {"one": made.davis(tmp_path / "a"), "two": made.vip(tmp_path / "b")}
    suite = Suite("both", parts, "one/J-Mean")
    first = suite.content_fingerprint(contents(tmp_path))
    path = parts["two"].frames("videos2")[0]
    Image.new("RGB", (56, 32), "red").save(path)
    assert suite.content_fingerprint(contents(tmp_path)) != first


def test_a_file_is_read_again_only_when_size_or_time_change(tmp_path):
    path = tmp_path / "mask.png"
    path.write_bytes(b"one")
    os.utime(path, (OLD, OLD))
    first = contents(tmp_path).digests([path])
    path.write_bytes(b"two")
    os.utime(path, (OLD, OLD))  # as if it had not been touched: it is not read
    assert contents(tmp_path).digests([path]) == first
    os.utime(path, (OLD, OLD + 1))
    second = contents(tmp_path).digests([path])
    assert second != first
    path.unlink()
    assert contents(tmp_path).digests([path]) == [""]


def test_a_file_that_was_just_written_is_read_each_time(tmp_path):
    """It may change again within the same tick of the file system's clock."""
    path = tmp_path / "mask.png"
    path.write_bytes(b"one")
    stamp = path.stat().st_mtime_ns
    first = contents(tmp_path).digests([path])
    path.write_bytes(b"two")
    os.utime(path, ns=(stamp, stamp))
    assert contents(tmp_path).digests([path]) != first


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": 3}', "\\xff", "[" * 10**5])
def test_a_damaged_memory_is_made_anew(tmp_path, text):
    path = tmp_path / "mask.png"
    path.write_bytes(b"one")
    os.utime(path, (OLD, OLD))
    first = contents(tmp_path).digests([path])
    memory = tmp_path / "results/.contents"
    memory.write_text(text.replace("x", str(path)))
    assert contents(tmp_path).digests([path]) == first
    memory.unlink()
    memory.parent.rmdir()
    memory.parent.write_text("a file: nothing can be kept")
    assert contents(tmp_path).digests([path]) == first
