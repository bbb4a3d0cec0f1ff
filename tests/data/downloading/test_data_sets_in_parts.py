"""``data=`` against a server on this machine: a set like Kinetics, whose archives a list names."""

import io
import shutil
import tarfile

import pytest
import yaml
from rar_writer import rar

from siammae.data.downloading import rar as rar_module
from siammae.data.sets.kinetics400 import Kinetics400
from siammae.data.sets.ucf101 import UCF101

STAND_IN = "replacement_for_corrupted_k400"
PARTS = 12  # more than bars that stay, and than threads


def packed(files):
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as file:
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return body.getvalue()


def clip(number):
    return f"-id{number:08d}_000001_000011.mp4"


@pytest.fixture(scope="module")
def content(clip_maker, tmp_path_factory):
    """Bytes of a real clip."""
    folder = tmp_path_factory.mktemp("clip")
    made = {ending: clip_maker(folder / f"c{ending}", 8, codec=codec) for ending, codec in CODECS}
    return {ending: path.read_bytes() for ending, path in made.items()}


CODECS = ((".mp4", "libx264"), (".avi", "mpeg4"))


@pytest.fixture
def kinetics(loopback, tmp_path, content):
    """The set on the server; returns what names it on the command line."""
    for split, parts in (("train", PARTS), ("val", 1)):
        for part in range(parts):
            first = 1000 * (split == "val") + 2 * part
            files = {clip(number): content[".mp4"] for number in (first, first + 1)}
            loopback.files[f"{split}/part_{part}.tar.gz"] = packed(files)
        urls = [loopback.url(f"{split}/part_{part}.tar.gz") for part in range(parts)]
        loopback.files[f"{split}/list.txt"] = ("\r\n".join(urls) + "\n").encode()
        loopback.files[f"{split}.csv"] = b"label,youtube_id,time_start,time_end,split\n"
    loopback.files["stand_in.tgz"] = packed({f"{STAND_IN}/{clip(3)}": content[".mp4"]})
    sheet = {
        "title": "a set in parts",
        "root": str(tmp_path / "default"),
        "splits": ["train", "val"],
        "parts": [
            {
                "url": loopback.url(f"{split}/list.txt"),
                "extract_to": split,
                "split": split,
                "prefix": f"{split}_",
            }
            for split in ("train", "val")
        ],
        "files": [
            *(
                {"url": loopback.url(f"{split}.csv"), "extract_to": "annotations", "split": split}
                for split in ("train", "val")
            ),
            {"url": loopback.url("stand_in.tgz"), "extract_to": "replacement", "split": "train"},
        ],
        "layouts": {
            "as published": [
                {"files": "train/{clip}.mp4", "count": 2 * PARTS, "split": "train"},
                {"files": f"replacement/{STAND_IN}/{{clip}}.mp4", "split": "train"},
                {"files": "val/{clip}.mp4", "count": 2, "split": "val"},
            ]
        },
    }
    (tmp_path / "set.yaml").write_text(yaml.safe_dump(sheet))
    return f"data={tmp_path / 'set.yaml'}"


def test_every_archive_of_a_list_is_fetched_checked_and_healed(call, kinetics, loopback, tmp_path):
    root = tmp_path / "a root"
    code, out, _ = call(kinetics, f"root={root}", "--check")
    assert code == 1
    assert f"train/{{clip}}.mp4: 0 of {2 * PARTS} files" in out
    assert loopback.asked == []
    loopback.cuts = [*[None] * 5, 200]  # an archive of the list breaks off once
    code, out, err = call(kinetics, f"root={root}")
    assert (code, err) == (0, "")
    assert f"{PARTS + 2} files: no published checksums" in out
    assert not (root / "val").exists()
    assert (root / "annotations/train.csv").read_bytes() == loopback.files["train.csv"]
    asked = len(loopback.asked)
    assert asked == PARTS + 3 + 1  # the list, the csv, the replacements; one asked twice
    videos = Kinetics400(str(root)).videos()
    assert [path.name for path in videos] == [clip(number) for number in range(2 * PARTS)]
    assert videos[3].parent.name == STAND_IN
    assert Kinetics400(str(root)).footage().open(0).frames > 1
    assert call(kinetics, f"root={root}", "--check")[0] == 0
    assert call(kinetics, f"root={root}")[0] == 0
    assert len(loopback.asked) == asked
    (root / "train" / clip(9)).unlink()
    code, out, _ = call(kinetics, f"root={root}", "--check")
    assert code == 1
    assert f"of train_part_4.tar.gz, missing or changed (1): train/{clip(9)}" in out
    assert call(kinetics, f"root={root}")[0] == 0
    assert [name for name, _ in loopback.asked[asked:]] == ["train/part_4.tar.gz"]


def test_splits_are_fetched_by_themselves_and_do_not_clash(call, kinetics, loopback, tmp_path):
    root = tmp_path / "default"
    code, _, _ = call(kinetics, "split=val")
    assert code == 0
    assert {name for name, _ in loopback.asked} == {"val/list.txt", "val/part_0.tar.gz", "val.csv"}
    assert call(kinetics, "--check")[0] == 1
    assert call(kinetics, "split=all")[0] == 0
    assert call(kinetics, "split=all", "--check")[0] == 0
    assert [name for name, _ in loopback.asked].count("val/part_0.tar.gz") == 1
    assert len(list((root / "train").iterdir())) == 2 * PARTS
    code, _, err = call(kinetics, "split=test")
    assert code == 2
    assert err == "error: split=test: there are train, val, all\n"


def test_what_one_put_there_by_hand_needs_no_list(call, kinetics, loopback, tmp_path):
    call(kinetics)
    shutil.copytree(
        tmp_path / "default", tmp_path / "copy", ignore=shutil.ignore_patterns(".download")
    )
    loopback.asked.clear()
    assert call(kinetics, f"root={tmp_path / 'copy'}")[0] == 0
    assert loopback.asked == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "lists no archives, or one twice"),
        (b"ftp://127.0.0.1/a.zip\n", "lists something else than archives"),
        (b"http://127.0.0.1/page\n", "lists something else than archives"),
        (b"http://127.0.0.1/a.zip\nhttp://127.0.0.1/b/a.zip\n", "lists no archives, or one twice"),
        (b"\xff\xfe\x00", "lists something else than archives"),
    ],
)
def test_a_list_of_something_else_is_one_error(call, kinetics, loopback, body, expected):
    loopback.files["train/list.txt"] = body
    code, _, err = call(kinetics)
    assert code == 2
    assert err.startswith("error: ")
    assert expected in err
    assert "remove it to fetch it anew" in err
    assert err.count("\n") == 1
    assert all(name == "train/list.txt" for name, _ in loopback.asked)


def test_a_part_that_the_server_lacks_is_named_and_the_rest_comes(
    call, kinetics, loopback, tmp_path
):
    body = loopback.files.pop("train/part_5.tar.gz")
    code, _, err = call(kinetics)
    assert code == 2
    assert "train/part_5.tar.gz: the server answers 404" in err
    assert len(list((tmp_path / "default/train").iterdir())) == 2 * PARTS - 2
    loopback.files["train/part_5.tar.gz"] = body
    loopback.asked.clear()
    assert call(kinetics)[0] == 0
    assert [name for name, _ in loopback.asked] == ["train/part_5.tar.gz"]


def test_a_set_in_rar(call, loopback, tmp_path, content):
    """From the server to clips that can be read, by a program of this machine."""
    if not any(shutil.which(program[0]) for program in rar_module.PROGRAMS):
        pytest.skip("no program here unpacks RAR")
    names = [f"Class{number}/v_Class{number}_g01_c01.avi" for number in range(3)]
    loopback.files["UCF101.rar"] = rar({f"UCF-101/{name}": content[".avi"] for name in names})
    sheet = {
        "title": "a set in RAR",
        "root": str(tmp_path / "root"),
        "files": [{"url": loopback.url("UCF101.rar")}],
        "layouts": {"one": [{"files": "UCF-101/{class}/{clip}.avi", "distinct": {"class": 3}}]},
    }
    (tmp_path / "set.yaml").write_text(yaml.safe_dump(sheet))
    code, out, err = call(f"data={tmp_path / 'set.yaml'}")
    assert (code, err) == (0, "")
    assert "UCF101.rar: unpacking" in out or "UCF101.rar: done" in out
    source = UCF101(str(tmp_path / "root"))
    assert len(source.videos()) == 3
    assert source.footage().open(2).read([0, 5]).shape == (2, 64, 48, 3)


@pytest.mark.parametrize(
    ("name", "where", "layout"),
    [
        ("ssv2", "https://developer.qualcomm.com/", "labels/train.json"),
        ("kitti_raw", "http://www.cvlibs.net/datasets/kitti/raw_data.php", "image_02/data/"),
        ("vspw", "https://github.com/sssdddwww2/vspw_dataset_download", "train.txt"),
        ("uvo", "https://sites.google.com/view/unidentified-video-object", "uvo_videos_dense/YTID"),
    ],
)
def test_data_behind_a_login_prints_where_and_how(call, tmp_path, name, where, layout):
    root = tmp_path / "a folder"
    code, out, _ = call(f"data={name}", f"root={root}")
    assert code == 3
    assert where in out
    assert layout in out
    assert f"python -m siammae.download data={name} root='{root}' --check" in out
    assert not root.exists()
    assert call(f"data={name}", f"root={root}", "--check")[0] == 1


def test_what_to_do_next_is_reported_for_data_and_for_benchmarks(call, tmp_path):
    from set_layouts import kitti_raw

    kitti_raw(tmp_path)
    code, out, _ = call("data=kitti_raw", f"root={tmp_path}", "--check")
    assert code == 0
    assert "kitti_raw: " in out
    for video in range(343):
        for kind, ending in (("origin", "jpg"), ("mask", "png")):
            path = tmp_path / f"data/{video}/{kind}/1.{ending}"
            path.parent.mkdir(parents=True)
            path.write_text("x")
    for name in ("val", "train"):
        (tmp_path / f"{name}.txt").write_text("\n".join(map(str, range(343))))
    measure = "python -m siammae.evaluate checkpoint=PATH benchmark=vspw benchmark.root="
    assert measure in call("benchmark=vspw", f"root={tmp_path}", "--check")[1]
    assert measure not in call("data=vspw", f"root={tmp_path}", "--check")[1]


@pytest.mark.parametrize("name", ["sprites", "videos"])
def test_what_needs_no_download(call, name):
    code, out, _ = call(f"data={name}")
    assert code == 0
    assert f"{name} needs no download" in out
