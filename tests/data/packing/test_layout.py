"""The names of packed clips."""

import pytest

from siammae.data.packing.layout import common_folders, short_name


class Named:
    def __init__(self, *names):
        self.names = names

    def __len__(self):
        return len(self.names)

    def name(self, clip):
        return self.names[clip]


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["/a/b/c.mp4", "/a/d e.mp4"], ["b/c.mp4", "d e.mp4"]),
        (["/a/one.mp4"], ["one.mp4"]),
        (["x: /a/b/c", "x: /a/d", "y: /z/q.mp4"], ["x: b/c", "x: d", "y: q.mp4"]),
        (["/a/odd: /name.mp4", "/a/b"], ["odd: /name.mp4", "b"]),
        (["clip 1", "clip: 2"], ["clip 1", "clip: 2"]),
    ],
)
def test_folders_are_left_out(names, short):
    folders = common_folders(Named(*names))
    assert [short_name(name, folders) for name in names] == short
