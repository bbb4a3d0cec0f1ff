"""A PNG with a single wrong bit is named, by whichever reader."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from siammae.data.reading.checked_image import opened, wrong_in_png
from siammae.data.reading.label_masks import voc_palette, write_ids
from siammae.evaluation.files.davis import read_ids
from siammae.evaluation.files.kitti import read_flow, read_instances, read_panoptic
from siammae.evaluation.propagation.sequence import read_frame
from siammae.system.errors import DataError

IDS = np.arange(48).reshape(6, 8).astype(np.uint8) % 5


def write_flow(path):
    cv2.imwrite(str(path), np.dstack([IDS.astype(np.uint16) * 300] * 3))


WRITERS = {
    read_ids: lambda path: write_ids(path, IDS),
    read_panoptic: lambda path: Image.fromarray(np.dstack([IDS] * 3)).save(path),
    read_instances: lambda path: Image.fromarray(IDS.astype(np.uint16) * 1000).save(path),
    read_flow: write_flow,
    read_frame: lambda path: Image.fromarray(np.dstack([IDS] * 3)).save(path, interlace=1),
}


@pytest.mark.parametrize("read", WRITERS, ids=lambda read: read.__name__)
def test_every_wrong_bit_is_named(tmp_path, read):
    path = tmp_path / "mask.png"
    WRITERS[read](path)
    whole = path.read_bytes()
    read(path)
    for place in range(len(whole)):
        spoiled = bytearray(whole)
        spoiled[place] ^= 1 << place % 8
        path.write_bytes(spoiled)
        with pytest.raises(DataError, match=r"mask\.png cannot be read as an image: ") as told:
            read(path)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("read", WRITERS, ids=lambda read: read.__name__)
def test_every_cut_is_named(tmp_path, read):
    path = tmp_path / "mask.png"
    WRITERS[read](path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="cannot be read as an image"):
            read(path)


def test_the_checksum_of_the_pixels_themselves_counts(tmp_path):
    """Damaged before the chunk was written: its CRC fits."""

    def part(kind, content):
        return struct.pack(">I", len(content)) + kind + content + sum_of(kind + content)

    def sum_of(data):
        return zlib.crc32(data).to_bytes(4)

    head = part(b"IHDR", struct.pack(">IIBBBBB", 8, 6, 8, 0, 0, 0, 0))
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in IDS))
    start = b"\x89PNG\r\n\x1a\n" + head
    path = tmp_path / "mask.png"
    path.write_bytes(start + part(b"IDAT", packed) + part(b"IEND", b""))
    assert np.array_equal(read_ids(path), IDS)
    for wrong in (packed[:-1] + bytes([packed[-1] ^ 1]), packed[:-4]):
        path.write_bytes(start + part(b"IDAT", wrong) + part(b"IEND", b""))
        with pytest.raises(DataError, match=r"damaged, .*pixels"):
            read_ids(path)
    halves = part(b"IDAT", packed[:9]) + part(b"IDAT", packed[9:])
    path.write_bytes(start + part(b"tEXt", b"Comment\0x") + halves + part(b"IEND", b"") + b"more")
    assert np.array_equal(read_ids(path), IDS)


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"interlace": 1}, {"bits": 4}])
def test_what_pillow_and_opencv_write_is_whole(tmp_path, options):
    image = Image.fromarray(IDS, mode="P")
    image.putpalette(voc_palette())
    image.save(tmp_path / "a.png", **options)
    cv2.imwrite(str(tmp_path / "b.png"), IDS)
    for name in "ab":
        path = tmp_path / f"{name}.png"
        assert wrong_in_png(path.read_bytes()) == ""
        assert np.array_equal(read_ids(path), IDS)


def test_a_jpeg_is_a_frame_but_no_mask(tmp_path):
    path = tmp_path / "00000.png"
    Image.fromarray(IDS).save(path, "JPEG")
    assert read_frame(path).shape == (3, 6, 8)
    with pytest.raises(DataError, match="it is no PNG"):
        read_ids(path)
    path.unlink()
    with pytest.raises(DataError, match="No such file"), opened(path):
        pass
