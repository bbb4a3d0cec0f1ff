"""Names and texts of others can neither move a terminal's cursor nor leave a folder."""

import pytest

from siammae.system.errors import DataError
from siammae.system.foreign_text import (
    all_printable,
    as_file_name,
    below,
    one_line,
    printable,
    refusal,
)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("J&F ± 1 Δ 学習 é", "J&F ± 1 Δ 学習 é"),
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("a\rb\x9bc", r"a\rb\x9bc"),
        ("user\u202egnp.exe", r"user\u202egnp.exe"),
        ("\ud800", r"\ud800"),
        ("a\u2028b", r"a\u2028b"),
    ],
)
def test_what_a_terminal_obeys_is_spelled_out(given, shown):
    assert printable(given) == shown
    shown.encode()  # and can be written


def test_texts_within_a_file_are_spelled_out_and_other_values_stay():
    given = {"a\x1b": ["\x1b", 1, None, 0.5, {"b": True}]}
    assert all_printable(given) == {r"a\x1b": [r"\x1b", 1, None, 0.5, {"b": True}]}
    assert one_line(" a\n# b\x1b ") == r"a # b\x1b"


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "..\\x", "C:\\x", "\\x", "a\0b"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    assert refusal(name)
    with pytest.raises(DataError, match=r"its list: .* refused"):
        below(tmp_path, name, "its list")


def test_a_name_below_the_folder_is_taken(tmp_path):
    assert below(tmp_path, "a/b..c", "") == tmp_path / "a" / "b..c"


@pytest.mark.parametrize("name", ["masking-1f2e3d", "frame_gap-decoder.width", "J+F@0.1=x"])
def test_a_safe_file_name_stays(name):
    assert as_file_name(name) == name


def test_a_file_name_is_made_of_any_name(tmp_path):
    names = ["../../x", "..", ".", "", "/etc/x", "a/b", "a_b", "\x1b[2J", "学習", "-rf", "x" * 999]
    names += ["a\nb", "<script>", "..\\x", ".hidden", "\ud800"]
    made = [as_file_name(name) for name in names]
    assert len(set(made)) == len(names)
    for name in made:
        (tmp_path / f"{name}.training.png").touch()
        assert name[0] not in ".-"
    assert len(list(tmp_path.iterdir())) == len(names)
