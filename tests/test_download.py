"""The command through real processes, against a server on this machine."""

import hashlib
import io
import os
import pty
import signal
import subprocess
import sys
import time
import zipfile

import pytest
import yaml
from processes import hear_interrupts

from siammae.data.downloading.catalog import FOLDER
from siammae.download import main

COMMAND = [sys.executable, "-m", "siammae.download"]


def start(*arguments):
    command = [*COMMAND, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, preexec_fn=hear_interrupts, **pipes)


def run(*arguments):
    process = start(*arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.fixture
def declared(loopback, tmp_path):
    """A data set of two sequences on the server, in a file like those of the repository."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as file:
        for name in ("bear", "camel"):
            for t in range(3):
                file.writestr(f"SET/frames/{name}/{t:05d}.jpg", os.urandom(20_000))
        file.writestr("SET/val.txt", "bear\ncamel\n")
    loopback.files["set.zip"] = body.getvalue()
    content = {
        "title": "a set",
        "root": str(tmp_path / "default"),
        "files": [
            {
                "url": loopback.url("set.zip"),
                "size": len(body.getvalue()),
                "sha256": hashlib.sha256(body.getvalue()).hexdigest(),
                "strip": "SET",
            }
        ],
        "layouts": {
            "as published": [
                {
                    "files": "frames/{sequence}/{frame}.jpg",
                    "listed": {"sequence": "val.txt"},
                    "count": 6,
                }
            ]
        },
    }
    path = tmp_path / "set.yaml"

    def write(**changes):
        path.write_text(yaml.safe_dump({**content, **changes}))
        return f"benchmark={path}"

    write.content = content
    return write


def test_fetched_once_checked_and_healed(call, declared, loopback, tmp_path):
    name, root = declared(), tmp_path / "root"
    loopback.cuts = [50_000]
    code, out, _ = run(name, f"root={root}", "--check")
    assert code == 1
    assert "val.txt is missing" in out
    assert loopback.asked == []
    code, out, err = run(name, f"root={root}")
    assert (code, err) == (0, "")
    assert "set.zip: fetching" in out
    assert "frames/{sequence}/{frame}.jpg: 2 sequences, 6 files" in out
    assert [wanted for _, wanted in loopback.asked] == [None, "bytes=50000-"]
    assert call(name, f"root={root}")[0] == 0
    assert call("--check", f"root={root}", name)[0] == 0
    assert call(name, f"root={root}", "check=true")[0] == 0
    assert len(loopback.asked) == 2
    (root / "frames/camel/00001.jpg").unlink()
    code, out, _ = call(name, f"root={root}", "--check")
    assert code == 1
    assert "5 of 6 files" in out
    assert "of set.zip, missing or changed (1): frames/camel/00001.jpg" in out
    assert len(loopback.asked) == 2
    assert call(name, f"root={root}")[0] == 0
    assert (root / "frames/camel/00001.jpg").stat().st_size == 20_000


def test_bars_on_a_terminal(declared, tmp_path):
    ours, theirs = pty.openpty()
    command = [*COMMAND, declared(), f"root={tmp_path / 'root'}"]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "110"}
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 4096):
            shown += block
    except OSError:  # how a terminal ends on Linux
        pass
    assert process.wait(timeout=60) == 0
    assert "set.zip" in shown.decode()
    assert "━" in shown.decode()
    assert "done" in shown.decode()


def test_a_folder_unpacked_by_hand_is_complete(call, declared, loopback, tmp_path):
    with zipfile.ZipFile(io.BytesIO(loopback.files["set.zip"])) as file:
        file.extractall(tmp_path)
    assert call(declared(), f"root={tmp_path / 'SET'}")[0] == 0
    assert loopback.asked == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_download_goes_on(declared, loopback, tmp_path, how):
    name, root = declared(), tmp_path / "default"
    loopback.stall = len(loopback.files["set.zip"]) * 3 // 4
    process = start(name)
    part, deadline = root / ".download/set.zip.part", time.monotonic() + 30
    while not (part.is_file() and part.stat().st_size > 10_000) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert err == "interrupted; the same command goes on where it stopped\n"
    have = part.stat().st_size
    assert 10_000 < have < len(loopback.files["set.zip"])
    loopback.stall = None
    assert run(name)[0] == 0
    assert loopback.asked[-1] == ("set.zip", f"bytes={have}-")
    assert run(name, "--check")[0] == 0


def test_a_wrong_checksum_is_one_error(declared, loopback, tmp_path):
    good = loopback.files["set.zip"]
    loopback.files["set.zip"] = good[:-1] + b"?"
    code, _, err = run(declared())
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "wrong sha256" in err
    assert (tmp_path / "default/.download/set.zip.bad").is_file()
    assert not (tmp_path / "default/frames").exists()
    loopback.files["set.zip"] = good
    assert run(declared())[0] == 0


def test_without_a_checksum_the_archive_speaks_for_itself(call, declared, loopback):
    (file,) = declared.content["files"]
    name = declared(files=[{"url": file["url"], "strip": "SET"}])
    body = bytearray(loopback.files["set.zip"])
    body[10_000] ^= 255
    whole, loopback.files["set.zip"] = loopback.files["set.zip"], bytes(body)
    code, out, err = call(name)
    assert code == 2
    assert "no published checksum" in out
    assert "is damaged" in err
    loopback.files["set.zip"] = whole
    assert call(name)[0] == 0


def test_what_is_missing_on_the_server_is_reported(call, declared, loopback):
    loopback.files.clear()
    code, _, err = call(declared())
    assert code == 2
    assert "/set.zip: the server answers 404" in err


def test_an_archive_that_lacks_something_is_not_called_complete(call, declared):
    layouts = {"one": [{"files": "frames/{sequence}/{frame}.jpg", "count": 7}]}
    code, out, _ = call(declared(layouts=layouts))
    assert code == 1
    assert "6 of 7 files" in out


def test_what_must_be_fetched_by_hand_is_reported_after_the_rest(call, declared, tmp_path):
    layouts = {"one": [{"files": "val.txt"}, {"files": "images/{frame}.png"}]}
    name = declared(layouts=layouts, manual="Log in, and put images/ into ROOT.")
    code, out, _ = call(name)
    assert code == 3
    assert "images/{frame}.png: 0 of 1 files" in out
    assert f"put images/ into {tmp_path / 'default'}." in out
    assert (tmp_path / "default/val.txt").is_file()
    (tmp_path / "default/images").mkdir()
    (tmp_path / "default/images/1.png").write_text("x")
    assert call(name)[0] == 0


@pytest.mark.parametrize(
    ("name", "where", "layout"),
    [
        ("vip", "http://sysu-hcp.net/lip/video_parsing.php", "lists/val_videos.txt"),
        ("vspw", "https://github.com/sssdddwww2/vspw_dataset_download", "data/VIDEO/mask/"),
        (
            "uvo",
            "https://sites.google.com/view/unidentified-video-object",
            "uvo_videos_dense_frames/YTID/0.png",
        ),
        ("kitti_mots", "https://www.vision.rwth-aachen.de/page/mots", "instances/0000/000000.png"),
        ("kitti_flow", "http://www.cvlibs.net/datasets/kitti/", "flow_occ/000000_10.png"),
    ],
)
def test_data_behind_a_login_prints_where_and_how(capsys, tmp_path, name, where, layout):
    assert main([f"benchmark={name}", f"root={tmp_path / 'here'}"]) == 3
    printed = capsys.readouterr().out
    assert where in printed
    assert layout in printed
    assert f"so that {tmp_path / 'here'} holds" in printed.replace("\n", " ")
    assert f"benchmark={name} root={tmp_path / 'here'} --check" in printed
    assert not (tmp_path / "here").exists()
    assert main([f"benchmark={name}", f"root={tmp_path / 'here'}", "--check"]) == 1


@pytest.mark.parametrize("name", ["sprites", "sprites_pose", "sprites_parts"])
def test_the_built_in_sets_need_no_download(capsys, name):
    assert main([f"benchmark={name}"]) == 0
    assert "needs no download" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["benchmark=davis2071"], "davis2071: no such data set (did you mean 'davis2017'?)"),
        (["bencmark=davis2017"], "bencmark: no such key (did you mean 'benchmark'?)"),
        (["davis2017"], "write KEY=VALUE"),
        (["benchmark="], "benchmark: no value"),
        ([], "name one data set"),
        (["benchmark=vip", "data=vip"], "name one data set"),
        (["benchmark=vip", "check=maybe"], "check=maybe: true or false"),
        (["benchmark=no/such.yaml"], "no/such.yaml cannot be read"),
    ],
)
def test_wrong_arguments_are_one_error(capsys, arguments, expected):
    assert main(arguments) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert expected in printed


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"files": [{"url": "http://127.0.0.1/page.html"}]}, "names no .zip"),
        ({"files": [{"url": "ftp://127.0.0.1/a.zip"}]}, "url"),
        ({"files": [{"url": "http://127.0.0.1/a.zip", "md5": "123"}]}, "md5"),
        ({"layouts": {}}, "give root and layouts"),
        ({"files": []}, "give files, manual or built_in"),
        ({"mirror": "x"}, "mirror"),
    ],
)
def test_a_wrong_declaration_names_its_file(declared, capsys, tmp_path, changes, expected):
    assert main([declared(**changes)]) == 2
    printed = capsys.readouterr().err
    assert str(tmp_path / "set.yaml") in printed
    assert expected in printed


def test_help_lists_the_data_sets():
    code, out, _ = run("--help")
    assert code == 0
    assert all(path.stem in out for path in FOLDER.glob("*.yaml"))
