"""Downloads from a server that breaks off, ignores ranges or sends the wrong file."""

import gzip
import hashlib
import random
import shutil
import threading
from collections import namedtuple

import pytest

from siammae.data.downloading import fetch
from siammae.data.downloading.fetch import Fetch, Stopped
from siammae.system.errors import DataError

BODY = random.Random(3).randbytes(50_000)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(fetch, "CHUNK", 1000)


@pytest.fixture
def get(loopback, tmp_path):
    """Fetch ``a.zip``; returns its path."""
    loopback.files["a.zip"] = BODY

    def run(**given):
        path = tmp_path / "a.zip"
        Fetch(loopback.url("a.zip"), path, pause=0.01, **given).run()
        return path

    return run


def ranges(loopback):
    return [wanted for _, wanted in loopback.asked]


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir())


def test_connections_cut_in_the_middle_are_resumed(get, loopback, tmp_path):
    loopback.cuts = [12_345, 20_000, 0, 3_000]
    assert get().read_bytes() == BODY
    first, *others = ranges(loopback)
    starts = [int(wanted.removeprefix("bytes=").rstrip("-")) for wanted in others]
    assert first is None
    assert starts[0] == 12_345
    assert starts == sorted(starts)
    assert len(starts) == 4
    assert leftovers(tmp_path) == ["a.zip"]


def test_any_cuts_give_the_same_bytes(get, loopback, tmp_path):
    draw = random.Random(11)
    for trial in range(10):
        loopback.ranges = trial % 3 > 0
        loopback.cuts = [draw.randrange(1_000, 30_000) for _ in range(3)]
        path = get(size=len(BODY), checksum=("md5", hashlib.md5(BODY).hexdigest()))
        assert path.read_bytes() == BODY
        path.unlink()


def test_a_server_without_ranges_is_asked_again_from_the_start(get, loopback):
    loopback.ranges = False
    loopback.cuts = [30_000]
    assert get().read_bytes() == BODY
    assert ranges(loopback) == [None, "bytes=30000-"]
    assert loopback.sent["a.zip"] == 30_000 + len(BODY)


@pytest.mark.parametrize("honours", [True, False])
def test_a_server_that_never_gets_on_is_given_up(get, loopback, tmp_path, honours):
    loopback.ranges = honours
    loopback.cuts = [20_000] + [0 if honours else 20_000] * 20
    with pytest.raises(DataError, match=r"broke.*3 times in a row.*goes on after 20000 bytes"):
        get(attempts=3)
    assert len(loopback.asked) == 4  # one that got on, three that did not
    loopback.cuts, loopback.ranges = [], True
    assert get().read_bytes() == BODY  # and a later command goes on
    assert ranges(loopback)[-1] == "bytes=20000-"


def test_a_file_that_changed_on_the_server_is_not_mixed(get, loopback):
    loopback.etag, loopback.cuts = '"old"', [20_000] + [0] * 5
    with pytest.raises(DataError, match="in a row"):
        get(attempts=2)
    new = random.Random(4).randbytes(len(BODY))
    loopback.files["a.zip"], loopback.etag, loopback.cuts = new, '"new"', []
    assert get().read_bytes() == new


def test_a_file_that_got_shorter_on_the_server(get, loopback, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(BODY + b"more")
    assert get().read_bytes() == BODY


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_wrong_checksum_keeps_the_file_aside(get, loopback, tmp_path, algorithm):
    right = hashlib.new(algorithm, BODY).hexdigest()
    loopback.files["a.zip"] = BODY[:-1] + b"x"
    with pytest.raises(DataError, match=rf"wrong {algorithm}.*published {right}.*a\.zip\.bad"):
        get(checksum=(algorithm, right))
    assert leftovers(tmp_path) == ["a.zip.bad"]
    loopback.files["a.zip"] = BODY
    assert get(checksum=(algorithm, right)).read_bytes() == BODY


def test_another_size_than_published_is_reported_before_the_body(get, loopback, tmp_path):
    with pytest.raises(DataError, match="offers 50000 bytes, the published file has 49999"):
        get(size=49_999)
    assert not (tmp_path / "a.zip.part").exists()


def test_a_missing_file_is_asked_for_once(loopback, tmp_path):
    with pytest.raises(DataError, match=r"/none\.zip: the server answers 404"):
        Fetch(loopback.url("none.zip"), tmp_path / "none.zip").run()
    assert len(loopback.asked) == 1


def test_a_busy_server_is_asked_again(get, loopback):
    loopback.statuses = [503, 429]
    assert get().read_bytes() == BODY
    assert len(loopback.asked) == 3


def test_no_server_at_all(loopback, tmp_path):
    loopback.server.server_close()
    with pytest.raises(DataError, match="2 times in a row"):
        Fetch(loopback.url("a.zip"), tmp_path / "a.zip", attempts=2, pause=0.01).run()


def test_what_is_there_is_not_asked_for(get, loopback, tmp_path):
    (tmp_path / "a.zip").write_bytes(BODY)
    get(checksum=("md5", hashlib.md5(BODY).hexdigest()))
    (tmp_path / "a.zip").rename(tmp_path / "a.zip.part")
    get(size=len(BODY))
    assert loopback.asked == []
    (tmp_path / "a.zip").rename(tmp_path / "a.zip.part")
    assert get().read_bytes() == BODY  # without a published size the server is asked, for nothing
    assert loopback.sent == {}


def test_a_login_page_is_no_file(get, loopback):
    loopback.headers["Content-Type"] = "text/html; charset=utf-8"
    with pytest.raises(DataError, match="a web page, not the file"):
        get()


def test_an_archive_declared_as_encoded_stays_packed(get, loopback):
    packed = gzip.compress(BODY)
    loopback.files["a.zip"], loopback.headers = packed, {"Content-Encoding": "gzip"}
    assert get().read_bytes() == packed


def test_a_full_disk_is_reported_before_the_body(get, loopback, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 40_000))
    with pytest.raises(DataError, match=r"needs 0\.1 MB more.*0\.0 MB free"):
        get()
    (tmp_path / "a.zip.part").write_bytes(BODY[:15_000])
    assert get().read_bytes() == BODY  # 35 kB still fit


def test_stopping_keeps_what_came(get, loopback, tmp_path):
    stop = threading.Event()

    def on_bytes(what, done, total):
        assert what != "fetching" or total == len(BODY)
        if done >= 10_000:
            stop.set()

    with pytest.raises(Stopped):
        get(on_bytes=on_bytes, stop=stop)
    assert (tmp_path / "a.zip.part").read_bytes() == BODY[:10_000]
    assert get().read_bytes() == BODY
    assert ranges(loopback)[-1] == "bytes=10000-"
