"""Tables on a terminal that is too narrow for all their columns."""

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from siammae.report.tables import terminal

HEADS = ["setting", "J&F", "Δ J&F", "J", "F", "train/probe_loss", "n"]
LABEL = "predicted spread, hide uncertain (default)"
LINES = [
    [LABEL, "[bold]42.2 ± 0.7[/bold]", "", "1", "2", "3", "3"],
    ["any", "42.5 ± 0.7", "+0.2", "1", "2", "0.392", "3"],
]


def printed(capsys, monkeypatch, width):
    monkeypatch.setattr(terminal, "console", lambda: Console(width=width))
    terminal.print_grid("a table", "[what] it is", HEADS, LINES, [False, True], range(3, 6))
    return capsys.readouterr().out


def test_all_columns_where_there_is_room(capsys, monkeypatch):
    text = printed(capsys, monkeypatch, 150)
    assert LABEL in text
    assert all(head in text for head in HEADS)
    assert "too wide" not in text
    assert "[what] it is" in text


def test_label_and_deciding_figures_stay_where_there_is_little(capsys, monkeypatch):
    text = printed(capsys, monkeypatch, 78)
    grid, told = text.split("in the files, too wide for here: ")
    assert told.strip() == "train/probe_loss"
    for needed in ("predicted spread, hide", "any", "42.2 ± 0.7", "+0.2", " J ", " F ", " n "):
        assert needed in grid
    assert max(map(len, text.splitlines())) <= 78


def test_where_not_even_those_fit_lines_wrap_and_nothing_is_lost(capsys, monkeypatch):
    text = "".join(printed(capsys, monkeypatch, 30).split())
    for needed in ("hideuncertain", "any", "42.2±0.7", "+0.2", "ΔJ&F"):
        assert needed in text


@given(
    widths=st.lists(st.integers(1, 30), min_size=3, max_size=9),
    width=st.integers(20, 200),
)
def test_what_is_kept_fits_and_nothing_is_left_out_without_need(widths, width):
    heads = ["x" * size for size in widths]
    further = range(2, len(heads))
    kept = terminal.fitting(terminal._widths(heads, [heads]), further, width)
    sizes = [size + terminal.FRAME for size in widths]
    assert kept == list(range(len(kept)))
    assert len(kept) >= 2
    if len(kept) > 2:
        assert sum(sizes[: len(kept)]) + 1 <= width
    if len(kept) < len(heads):
        assert sum(sizes[: len(kept) + 1]) + 1 > width
