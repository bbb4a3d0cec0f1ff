"""Archives, packs, labels and pickles that lead out of their folder or run commands."""

import json
import os
import pickle
import shutil
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from siammae.assembly.checkpoint import load_checked
from siammae.data.downloading.unpack import unpack
from siammae.data.packing.packed import Packed
from siammae.data.packing.rebuild import open_index
from siammae.evaluation.benchmarks.davis import Davis
from siammae.evaluation.benchmarks.uvo import Uvo
from siammae.evaluation.benchmarks.vspw import Vspw
from siammae.evaluation.encoders.published import FileEncoder
from siammae.evaluation.measuring.benchmark import Benchmark
from siammae.evaluation.measuring.outputs import Outputs
from siammae.evaluation.propagation.protocol import Propagation
from siammae.system.checksum import checksum_path
from siammae.system.errors import DataError
from tests.data.downloading.test_unpack import make
from tests.evaluation import test_uvo, test_vspw
from tests.evaluation.conftest import write_davis
from tests.storm.kind import skipped

PROTOCOL = Propagation(top_k=3, queue=2, radius=4, temperature=0.05)
# Each leads to the folder around that of the attack, or to a place of its choice.
WAYS_OUT = (
    "../evil", "a/../../evil", "..\\evil", "{outside}/evil", "./../evil", "a/b/../../../evil", "..",
    "../../kept", "C:\\evil", "\\\\server\\evil", "~/evil", "../evil\0x", "a\n../evil",
)  # fmt: skip


def groups(packs: Path) -> Iterator[Iterator[tuple[str, Any]]]:
    """The attacks of each group; ``packs`` holds an intact pack."""
    yield archives()
    yield of_packs(packs)
    yield labels()
    yield pickles()


def archives() -> Iterator[tuple[str, Any]]:
    """Members and links that lead out."""
    for form in ("zip", "tar.gz"):
        for way in WAYS_OUT:
            yield f"{form}: member {way!r}", partial(unpack_member, form, way)
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        for target in ("../../kept", "{outside}/kept", "/etc/passwd", "a/../../../kept"):
            yield f"link to {target}", partial(unpack_link, kind, target)
    for kind in (tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.BLKTYPE):
        yield f"special file {kind!r}", partial(unpack_link, kind, "")


def unpack_member(form: str, way: str, folder: Path, canary: Any) -> None:
    archive = folder / f"x.{form}"
    make(archive, {"a/b/good": b"good", way.format(outside=canary.outside): b"evil"})
    unpack(archive, folder / "out")


def unpack_link(kind: bytes, target: str, folder: Path, canary: Any) -> None:
    """A link to a file outside, then a member that is written through it."""
    named = target.format(outside=canary.outside)
    links = [("a/link", named, kind), ("dir", str(canary.outside), kind)]
    unpack(make(folder / "x.tar.gz", {"a/good": b"good"}, links), folder / "out")
    found = [path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file()]
    assert b"kept" not in found


def of_packs(packs: Path) -> Iterator[tuple[str, Any]]:
    """Fingerprints, names of clips and members of shards."""
    for way in (*WAYS_OUT, "", ".", 7, None, ["x"], {"a": 1}, "x" * 300):
        yield f"fingerprint {way!r}", partial(stream, packs, way)
    for way in WAYS_OUT:
        yield f"clip called {way!r}", partial(read_index, packs, "name", way)
        yield f"member called {way!r}", partial(rebuild, packs, way)
    for key in ("shard", "start", "height", "width", "step", "sizes", "number"):
        for value in (-1, 0, 2**31 - 1):
            yield f"{key} {value}", partial(read_index, packs, key, value)


def stream(packs: Path, fingerprint: Any, folder: Path, canary: Any) -> None:
    """Stream a pack whose ``pack.json`` names a folder of the cache."""
    shutil.copytree(packs / "pack", folder / "pack")
    plan = json.loads((folder / "pack/pack.json").read_text())
    told = fingerprint.format(outside=canary.outside) if type(fingerprint) is str else fingerprint
    (folder / "pack/pack.json").write_text(json.dumps({**plan, "fingerprint": told}))
    cache = str(folder / "cache")
    source = Packed(root=f"file://{folder}/pack", streaming=True, window=2, cache=cache)
    read_all(source)


def read_index(packs: Path, key: str, value: Any, folder: Path, canary: Any) -> None:
    """Read a pack with one value of its index replaced, with a fitting hash of the content."""
    import pyarrow as pa

    from siammae.data.packing import index

    shutil.copytree(packs / "pack", folder / "pack")
    path = folder / "pack/index.arrow"
    table = index.Index.load(path).table
    place, column = table.column_names.index("crc32" if key == "sums" else key), table.column(key)
    told = column.to_pylist()
    text = value.format(outside=canary.outside) if key == "name" else value
    told[0] = [text, *told[0][1:]] if key == "sizes" else text
    try:
        changed = table.set_column(place, key, pa.array(told, column.type))
    except (pa.ArrowInvalid, OverflowError) as error:
        raise DataError(f"no such index can be written: {type(error).__name__}") from None
    index.write(index._with_fingerprint(changed), path)
    read_all(Packed(root=str(folder / "pack")))


def rebuild(packs: Path, way: str, folder: Path, canary: Any) -> None:
    """Make the index again from a shard with a member of such a name."""
    shutil.copytree(packs / "pack", folder / "pack")
    (folder / "pack/index.arrow").unlink()
    shard = folder / "pack/shard-000000.tar"
    with tarfile.open(shard, "a") as archive:
        info = tarfile.TarInfo(way.format(outside=canary.outside))
        archive.addfile(info)
    open_index(folder / "pack", lambda _: None)
    read_all(Packed(root=str(folder / "pack")))


def read_all(source: Packed) -> None:
    """Read all clips, as far as they can be."""
    clips = source.footage()
    for number in range(len(clips)):
        try:
            clips.open(number).read([0, 1])
        except DataError as error:
            skipped(error)


def labels() -> Iterator[tuple[str, Any]]:
    """Names in annotations and lists, whose predicted masks are kept."""
    for way in WAYS_OUT:
        for name in ("uvo", "uvo files", "davis", "vspw"):
            yield f"{name}: video {way!r}", partial(predict, name, way)


def predict(name: str, way: str, folder: Path, canary: Any) -> None:
    """Predict and keep the masks of a video of such a name; its files are where that leads."""
    way = way.format(outside=canary.outside).replace("\0", "")
    made: Benchmark
    if name.startswith("uvo"):
        test_uvo.root.__wrapped__(folder)
        told = test_uvo.content(folder)
        video = told["videos"][0]
        if name == "uvo":
            video["ytid"] = way
        else:
            video["file_names"] = [f"{way}/{Path(file).name}" for file in video["file_names"]]
        test_uvo.write(folder, told)
        made = Uvo(str(folder), PROTOCOL)
    elif name == "davis":
        write_davis(folder, ["walk", "run"])
        for kind in ("JPEGImages", "Annotations"):
            lead(folder / kind / "480p", "walk", way)
        (folder / "ImageSets/2017/val.txt").write_text(f"{way}\nrun\n")
        made = Davis(str(folder), PROTOCOL)
    else:
        test_vspw.root.__wrapped__(folder)
        root = folder / "VSPW_480p"
        lead(root / "data", test_vspw.NAMES[0], way)
        (root / "val.txt").write_text(f"{way}\n{test_vspw.NAMES[1]}\n")
        made = Vspw(str(root), PROTOCOL)
    canary.before = canary.seen()
    made.outputs = Outputs(folder / "kept/masks", folder / "kept/drawn")
    made.evaluate(test_uvo.Colours())


def lead(parent: Path, name: str, way: str) -> None:
    """Put a folder where a name leads, when that is a place at all."""
    target = parent / way
    if not target.exists() and "~" not in way:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(parent / name, target)


class Runs:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (self.command,)


def pickles() -> Iterator[tuple[str, Any]]:
    """Checkpoints that run a command, with the right checksum."""
    for place in ("whole", "model", "beside", "plain pickle"):
        for reader in ("own", "published"):
            yield f"{reader} checkpoint: {place}", partial(unpickle, place, reader)


def unpickle(place: str, reader: str, folder: Path, canary: Any) -> None:
    """Write a checkpoint with a command inside and load it."""
    evil, path = Runs(canary.command), folder / "checkpoints/step-00000001.pt"
    path.parent.mkdir()
    told = {"whole": evil, "model": {"model": {"x": evil}}}
    content = told.get(place, {"model": {"x": torch.ones(1)}, "args": evil})
    if place == "plain pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    if reader == "published":
        FileEncoder(str(path)).load()
    else:
        import hashlib

        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        checksum_path(path).write_text(f"{digest}  {path.name}\n")
        load_checked(path)
