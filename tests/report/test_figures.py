"""Figures: the same bytes from the same records, apart for every reader, and safe to embed."""

import itertools
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from alexbench.config import metrics
from alexbench.report import figures, forest
from alexbench.report.forest import ForestRow, Mark
from tests.records import make

VARIANTS = ["none", "both"]
RECORDS = [make(v, s, (60.0, 40.0 + s, 30.0)) for v in VARIANTS for s in range(3)]
ROWS = [
    ForestRow(
        "lrn: test_error", [Mark("measured", -0.5, -1.0, 0.0), Mark("paper", -1.4, -2.0, -0.8)]
    ),
    ForestRow("other", [Mark("measured", 0.5, 0.2, 0.8)]),
]


def line(figure: Figure, variant: str) -> list[float]:
    """The mean curve of a variant in the last panel."""
    found = next(each for each in figure.axes[-1].lines if each.get_label() == variant)
    return [float(value) for value in found.get_ydata()]


def test_the_curve_is_the_mean_over_the_seeds_at_each_epoch() -> None:
    assert line(figures.curves(VARIANTS, RECORDS), "none") == [60, 41, 30]


def test_the_mean_ends_where_the_first_run_ends_and_the_thin_lines_go_on() -> None:
    records = [make("none", 0, (60.0, 40.0)), make("none", 1, (50.0, 30.0, 20.0))]
    figure = figures.curves(["none"], records)
    assert line(figure, "none") == [55, 35]
    paths = figure.axes[-1].collections[0].get_paths()
    assert [len(path.vertices) for path in paths] == [2, 3]


def test_without_a_clean_training_pass_there_is_one_panel() -> None:
    assert len(figures.curves(VARIANTS, RECORDS).axes) == 2
    record = make()
    for row in record.history:
        row["train_error"] = None
    assert figures.panels([record]) == ["test_error"]
    assert len(figures.curves(["none"], [record]).axes) == 1


def test_the_target_stands_in_the_training_panel_only() -> None:
    records = [make("none", 0, target=25.0)]
    training, test = figures.curves(["none"], records).axes
    assert [text.get_text() for text in training.texts] == ["target 25%"]
    assert not test.texts


def test_a_diverged_run_is_named_in_the_legend() -> None:
    records = [make("none", 0), make("none", 1, (60.0, 80.0, 90.0), status="diverged")]
    labels = [each.get_label() for each in figures.curves(["none"], records).axes[-1].lines]
    assert "none (1 of 2 diverged)" in labels


def test_variants_differ_by_more_than_colour() -> None:
    looks = [figures.look(index) for index in range(7)]
    assert len({each.colour for each in looks}) == 7
    assert len({(each.line, each.marker) for each in looks}) == 7


def test_neighbouring_variants_are_told_apart_in_grey_by_line_and_marker() -> None:
    looks = [figures.look(index) for index in range(8)]
    for first, second in itertools.pairwise(looks):
        assert first.line != second.line
        assert first.marker != second.marker


def test_every_colour_can_be_seen_on_white() -> None:
    for colour in figures.COLOURS:
        red, green, blue = to_rgb(colour)
        assert 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.75


def test_a_variant_keeps_its_look_when_others_have_no_records() -> None:
    figure = figures.curves(VARIANTS, [run for run in RECORDS if run.variant == "both"])
    drawn = next(each for each in figure.axes[-1].lines if each.get_label() == "both")
    assert drawn.get_color() == figures.look(1).colour


def test_the_same_records_give_the_same_png_whatever_the_users_style(tmp_path: Path) -> None:
    figures.save_png(figures.curves(VARIANTS, RECORDS), tmp_path / "first.png")
    with mpl.rc_context({"font.size": 20, "lines.linewidth": 9, "savefig.dpi": 30}):
        figures.save_png(figures.curves(VARIANTS, RECORDS), tmp_path / "second.png")
    first = (tmp_path / "first.png").read_bytes()
    assert first == (tmp_path / "second.png").read_bytes()
    assert b"matplotlib" not in first.lower()


def test_the_same_records_give_the_same_svg_without_dates_and_versions() -> None:
    first, second = (
        figures.to_svg(figures.curves(VARIANTS, RECORDS), "curves", "text") for _ in range(2)
    )
    assert first == second
    assert "matplotlib.org" not in first
    assert mpl.__version__ not in first
    assert "202" not in re.sub(r"[\d.]+ [\d.]+", "", first)  # no year outside of coordinates


def test_an_svg_is_well_formed_named_and_escaped() -> None:
    root = ElementTree.fromstring(
        figures.to_svg(forest.draw(ROWS, "points", ratio=False), "f", 'a "b" <c>')
    )
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == 'a "b" <c>'
    assert not {"width", "height"} & root.attrib.keys()
    assert all(each.attrib["id"].startswith("f-") for each in root.iter() if "id" in each.attrib)


def test_black_follows_the_pages_own_colour() -> None:
    svg = figures.to_svg(figures.curves(VARIANTS, RECORDS), "curves", "text")
    assert "#000000" not in svg
    assert "currentColor" in svg


def test_labels_in_an_svg_are_text_and_escaped() -> None:
    svg = figures.to_svg(
        forest.draw([ForestRow("<b>", ROWS[0].marks)], "points", ratio=False), "f", ""
    )
    assert "&lt;b&gt;</text>" in svg


def test_a_forest_row_lies_below_its_label_with_its_interval() -> None:
    axes = forest.draw(ROWS, "points", ratio=False).axes[0]
    intervals = [sorted(map(float, each.get_xdata())) for each in axes.lines]
    assert [-1.0, -0.5, 0.0] in intervals
    assert [text.get_text() for text in axes.texts] == ["lrn: test_error", "other"]
    assert axes.texts[0].get_position()[1] < axes.texts[1].get_position()[1]


def test_a_bound_from_censored_runs_is_drawn_as_an_arrow() -> None:
    row = ForestRow("relu", [Mark("measured", 0.2, 0.0, 0.4)])
    axes = forest.draw([row], "ratio", ratio=True).axes[0]
    assert "<" in [each.get_marker() for each in axes.lines]
    assert axes.get_xscale() == "log"


def test_dots_are_the_runs_with_their_mean() -> None:
    axes = figures.dots(metrics.METRICS["test_error"], VARIANTS, RECORDS).axes[0]
    singles = [each for each in axes.lines if len(each.get_xdata()) == 1]
    assert len(singles) == 6
    assert [text.get_text() for text in axes.get_xticklabels()] == VARIANTS


def test_a_censored_run_is_an_open_dot() -> None:
    records = [
        make("none", 0, (60.0, 20.0), target=25.0),
        make("none", 1, (60.0, 50.0), target=25.0),
    ]
    axes = figures.dots(metrics.METRICS["epochs_to_target"], ["none"], records).axes[0]
    faces = [each.get_markerfacecolor() for each in axes.lines if len(each.get_xdata()) == 1]
    assert faces[-2:] == ["#000000", "none"]


@pytest.mark.parametrize("epochs", [1, 2, 90])
def test_runs_of_any_length_can_be_drawn(epochs: int, tmp_path: Path) -> None:
    records = [make("none", seed, [50.0] * epochs) for seed in range(2)]
    figures.save_png(figures.curves(["none"], records), tmp_path / "curves.png")
