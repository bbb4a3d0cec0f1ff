from siammae.evaluation.measuring.result import BenchmarkResult
from siammae.evaluation.measuring.show import show_result


def result(rows, units=("clip", "joint"), **facts):
    metrics = {"PCK@0.1": 0.4321, "PCK@0.2": 0.8765}
    return BenchmarkResult("jhmdb", "PCK@0.1", metrics, rows, units=units, **facts)


def rows(count):
    return [{"clip": f"clip{i}", "joint": "elbow", "PCK@0.1": 0.125} for i in range(count)]


def test_columns_are_the_result_s_units(capsys):
    show_result(result(rows(3)), "a [b] on jhmdb", result([]))
    shown = capsys.readouterr().out
    assert "a [b] on jhmdb" in shown
    head = next(line for line in shown.splitlines() if "PCK@0.1" in line)
    assert head.index("clip") < head.index("joint") < head.index("PCK@0.1")
    assert shown.count("elbow") == 3
    assert shown.count("0.125") == 3
    assert "all joints" in shown
    assert "copy first mask" in shown


def test_one_unit_is_enough(capsys):
    show_result(result([{"class": "sky", "PCK@0.1": 0.5}], units=("class",)), "t")
    assert "all classes" in capsys.readouterr().out


def test_many_rows_are_counted(capsys):
    show_result(result(rows(100)), "t")
    assert capsys.readouterr().out.count("elbow") == 100
    show_result(result(rows(101)), "t")
    shown = capsys.readouterr().out
    assert "elbow" not in shown
    assert "101 rows of single joints not shown" in shown
    assert "0.432" in shown


def test_failed_videos_and_missing_ones_are_told(capsys):
    settings = {"clips": 3, "official_clips": 268}
    show_result(result(rows(1), failed={"clip9": "broken"}, settings=settings), "t")
    shown = capsys.readouterr().out
    assert "failed: clip9: broken" in shown
    assert "3 clips, not the official 268: not comparable" in shown


def test_rows_without_figures_are_not_listed(capsys):
    """Class IoU keeps intersections and unions, which mean nothing to a reader."""
    show_result(result([{"video": "v", "class": 3, "union": 7}], units=("video", "class")), "t")
    shown = capsys.readouterr().out
    assert " 3 " not in shown
    assert "not shown" not in shown
    assert "all classes" in shown


def test_many_metrics_stand_below_one_another_with_the_control_beside(capsys):
    metrics = {f"part{i}/J&F-Mean": i / 100 for i in range(12)}
    settings = {"part0": {"top_k": 5}, "part1": {"top_k": 7}}
    suite = BenchmarkResult("all", "part0/J&F-Mean", metrics, settings=settings, control="nothing")
    control = BenchmarkResult("all", "part0/J&F-Mean", dict.fromkeys(metrics, 0.5))
    show_result(suite, "t", control)
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if "part11/J&F-Mean" in line]
    assert "0.110" in line
    assert "0.500" in line
    assert any("nothing" in line for line in lines)
    assert "part1: top_k 7" in lines
