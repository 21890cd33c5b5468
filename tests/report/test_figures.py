"""Figures: the same bytes from the same records, apart for every reader, and safe to embed."""

import itertools
import math
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from alexbench.config import metrics
from alexbench.report import curves, figures, forest
from alexbench.report.forest import ForestRow, Mark
from tests.records import Question, make, use

BOTH = figures.arms(Question(claims={"lrn": (use("both"),)}))  # type: ignore[arg-type]
RECORDS = [make(arm.name, s, (60.0, 40.0 + s, 30.0)) for arm in BOTH for s in range(3)]
ROWS = [
    ForestRow(
        "reproduced",
        "0.98 of the claim",
        "lrn: both vs none, test error",
        [
            Mark("measured, n 3", -0.5, -1.0, 0.0, (-0.7, -0.3)),
            Mark("Krizhevsky 2012", -1.4, -2.0, -0.8),
        ],
    ),
    ForestRow("", "", "other", [Mark("measured, n 3", 0.5, 0.2, 0.8)]),
]


def drawn() -> Figure:
    return curves.curves(BOTH, RECORDS)


def line(figure: Figure, variant: str) -> list[float]:
    """The mean curve of a variant in the last panel."""
    found = next(each for each in figure.axes[-1].lines if each.get_label() == variant)
    return [float(value) for value in found.get_ydata()]


# Curves.


def test_the_curve_is_the_mean_over_the_seeds_at_each_epoch() -> None:
    assert line(drawn(), "none") == [60, 41, 30]


def test_the_mean_ends_where_the_first_run_ends_and_the_thin_lines_go_on() -> None:
    records = [make("none", 0, (60.0, 40.0)), make("none", 1, (50.0, 30.0, 20.0))]
    figure = curves.curves(BOTH, records)
    assert line(figure, "none") == [55, 35]
    paths = figure.axes[-1].collections[0].get_paths()
    assert [len(path.vertices) for path in paths] == [2, 3]


def test_the_band_is_the_range_of_the_seeds() -> None:
    band = drawn().axes[-1].collections[1].get_paths()[0]
    assert {float(y) for x, y in band.vertices if x == 2} == {40, 42}


def test_a_seed_is_marked_where_it_crosses_the_target() -> None:
    records = [
        make("none", 0, (75.0, 25.0), target=50.0),
        make("none", 1, (75.0, 65.0), target=50.0),
    ]
    training = curves.curves(BOTH, records).axes[0]
    (ticks,) = [each for each in training.lines if each.get_marker() == "|"]
    assert [float(x) for x in ticks.get_xdata()] == [1.5]  # the other never got there


def test_data_seeds_and_the_meaning_of_the_band_stand_in_the_picture() -> None:
    (note,) = drawn().texts
    assert note.get_text() == "glyphs, n = 3; line: mean, band: range of the seeds"


def test_without_a_clean_training_pass_there_is_one_panel() -> None:
    assert len(drawn().axes) == 2
    record = make()
    for row in record.history:
        row["train_error"] = None
    assert curves.panels([record]) == ["test_error"]
    assert len(curves.curves(BOTH, [record]).axes) == 1


def test_the_target_stands_in_the_training_panel_only() -> None:
    training, test = curves.curves(BOTH, [make("none", 0, target=25.0)]).axes
    assert [text.get_text() for text in training.texts] == ["target 25%", "none"]
    assert [text.get_text() for text in test.texts] == ["none"]


@pytest.mark.parametrize("epochs", [1, 2, 90])
def test_runs_of_any_length_can_be_drawn(epochs: int, tmp_path: Path) -> None:
    records = [make("none", seed, [50.0] * epochs) for seed in range(2)]
    figures.save_png(curves.curves(BOTH, records), tmp_path / "curves.png")


# Looks.


def test_labels_that_would_touch_are_moved_apart_and_others_stay() -> None:
    assert figures.spread([0.5, 0.2, 0.5], 0.1) == pytest.approx([0.5, 0.2, 0.6])
    moved = figures.spread([1.0, 1.0, 0.95], 0.1)
    assert sorted(moved) == pytest.approx([0.8, 0.9, 1.0])
    assert figures.spread([0.3], 0.1) == [0.3]


def test_variants_differ_by_more_than_colour() -> None:
    looks = [figures.look(index) for index in range(7)]
    assert len({each.colour for each in looks}) == 7
    assert len({(each.line, each.marker) for each in looks}) == 7


def test_neighbouring_variants_are_told_apart_in_grey_by_line_and_marker() -> None:
    looks = [figures.look(index, claimed=False) for index in range(8)]
    for first, second in itertools.pairwise(looks):
        assert first.line != second.line
        assert first.marker != second.marker


def test_an_arm_that_no_claim_is_about_is_grey_and_a_control_is_not() -> None:
    question = Question(
        variants={"none": {}, "conv1": {}, "both": {}, "gain_only": {}},
        claims={"lrn": (use("both", control="gain_only"),)},
    )
    grey = [arm.name for arm in figures.arms(question) if arm.look.colour == figures.GREY]  # type: ignore[arg-type]
    assert grey == ["conv1"]


@pytest.mark.parametrize("ground", ["#ffffff", "#14171b"])
def test_every_colour_has_a_contrast_of_three_on_both_pages(ground: str) -> None:
    for colour in [*figures.COLOURS[1:], figures.GREY]:
        bright, dim = sorted(map(luminance, (ground, colour)), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 3, colour


def luminance(colour: str) -> float:
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_variant_keeps_its_look_when_others_have_no_records() -> None:
    figure = curves.curves(BOTH, [run for run in RECORDS if run.variant == "both"])
    found = next(each for each in figure.axes[-1].lines if each.get_label() == "both")
    assert found.get_color() == figures.look(1).colour


# Files.


def test_the_same_records_give_the_same_files_whatever_the_users_style(tmp_path: Path) -> None:
    def save(folder: Path) -> list[Path]:
        folder.mkdir()
        figure = drawn()
        return figures.save(figure, figures.to_svg(figure), folder / "curves")

    first = save(tmp_path / "first")
    with mpl.rc_context({"font.size": 20, "lines.linewidth": 9, "savefig.dpi": 30}):
        second = save(tmp_path / "second")
    assert [path.suffix for path in first] == [".svg", ".pdf", ".png"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert b"matplotlib.org" not in one.read_bytes().lower()
        assert mpl.__version__.encode() not in one.read_bytes()
        assert b"CreationDate" not in one.read_bytes()


def test_a_png_is_legible_at_eight_centimetres(tmp_path: Path) -> None:
    with Image.open(figures.save_png(drawn(), tmp_path / "curves.png")) as png:
        assert png.width >= 600
    points = figures.TEXT * 8 / (2.54 * figures.COLUMN)
    assert points > 6  # of text, when the figure is 8 cm wide


def test_a_png_is_not_sheared_where_its_width_is_no_whole_number_of_pixels(tmp_path: Path) -> None:
    figure = Figure(figsize=(9.2, 1.003))
    figure.add_axes((0.5, 0, 0.5, 1)).set(xticks=[], yticks=[])
    with Image.open(figures.save_png(figure, tmp_path / "line.png")) as png:
        left = png.convert("L").crop((png.width // 2 - 5, 10, png.width // 2 + 5, png.height - 10))
    columns = [{left.getpixel((x, y)) for y in range(left.height)} for x in range(left.width)]
    assert all(len(shades) == 1 for shades in columns)
    assert columns[0] != columns[5]


def test_arms_that_share_their_nets_have_dots_and_no_curves() -> None:
    assert curves.same_nets([make("centre", 0, (60.0, 30.0)), make("ten_crop", 0, (60.0, 30.0))])
    assert not curves.same_nets([make("none", 0, (60.0, 30.0)), make("both", 0, (60.0, 31.0))])


def test_an_svg_on_a_page_is_well_formed_named_and_escaped() -> None:
    svg = figures.to_svg(forest.draw([forest.ForestPanel(ROWS, "points")], "note"))
    root = ElementTree.fromstring(figures.for_page(svg, "f", 'a "b" <c>'))
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == 'a "b" <c>'
    assert not {"width", "height"} & root.attrib.keys()
    assert all(each.attrib["id"].startswith("f-") for each in root.iter() if "id" in each.attrib)


def test_texts_in_an_svg_on_a_page_are_those_of_the_figure() -> None:
    told = 'black at $5 or $6, #000000 id="x" url(#y)'
    figure = figures.to_svg(
        forest.draw([forest.ForestPanel([ROWS[1]._replace(label=told)], "p")], "")
    )
    page = ElementTree.fromstring(figures.for_page(figure, "f", "text"))
    assert told in {each.text for each in page.iter()}


def test_the_label_of_an_arm_is_shown_as_it_is() -> None:
    labels = {"both": "a $x$ b"}
    (_, both) = figures.arms(Question(labels=labels))  # type: ignore[arg-type]
    assert "a $x$ b" in figures.to_svg(curves.curves([BOTH[0], both], RECORDS))


@pytest.mark.parametrize(
    ("low", "ratio", "marker"), [(0.0, False, "o"), (0.0, True, "<"), (-math.inf, False, "<")]
)
def test_an_arrow_is_an_end_that_censored_times_leave_open(
    low: float, ratio: bool, marker: str
) -> None:
    row = ForestRow("", "", "times", [Mark("measured, n 3", 1.5, low, 3.0)])
    drawn_lines = forest.draw([forest.ForestPanel([row], "unit", ratio)], "").axes[0].lines
    assert marker in {line.get_marker() for line in drawn_lines}
    assert {"o", "<"} - {marker} & {line.get_marker() for line in drawn_lines} == set()


def test_black_follows_the_pages_own_colour_and_a_file_is_on_white() -> None:
    svg = figures.to_svg(drawn())
    page = figures.for_page(svg, "curves", "text")
    assert "#000000" not in page
    assert "currentColor" in page
    assert '<rect width="100%" height="100%" fill="#ffffff"/>' in figures.for_file(svg)
    assert "202" not in re.sub(r"[\d.]+ [\d.]+", "", svg)  # no year outside of coordinates


def test_labels_in_an_svg_are_text_and_escaped() -> None:
    row = ROWS[0]._replace(label="<b> costs $5 or $6")
    svg = figures.to_svg(forest.draw([forest.ForestPanel([row], "points")], ""))
    assert "&lt;b&gt; costs $5 or $6</text>" in svg


# The forest.


def test_a_forest_row_lies_below_its_verdict_and_label_with_its_interval_and_seeds() -> None:
    axes = forest.draw([forest.ForestPanel(ROWS, "points")], "note").axes[0]
    intervals = [sorted(map(float, each.get_xdata())) for each in axes.lines]
    assert [-1.0, -0.5, 0.0] in intervals
    assert [-0.7, -0.3] in intervals
    words = [text.get_text() for text in axes.texts]
    assert words[:5] == [
        "reproduced",
        "0.98 of the claim",
        "lrn: both vs none, test error",
        "measured, n 3",
        "Krizhevsky 2012",
    ]
    heights = [text.get_position()[1] for text in axes.texts if text.get_text()]
    assert heights == sorted(heights)


def test_a_bound_from_censored_runs_is_drawn_as_an_arrow() -> None:
    row = ForestRow("", "", "relu", [Mark("measured", 0.2, 0.0, 0.4)])
    axes = forest.draw([forest.ForestPanel([row], "ratio", ratio=True)], "").axes[0]
    assert "<" in [each.get_marker() for each in axes.lines]
    assert axes.get_xscale() == "log"


# Rates and dots.


def tried(variant: str, lr: float, seed: int, error: float):
    return make(variant, seed, (80.0, error), lr=lr, purpose="tune")


def test_every_tuning_seed_is_a_dot_and_a_ring_is_at_the_choice() -> None:
    metric = metrics.METRICS["test_error"]
    tuning = [tried("none", lr, seed, 30 + 100 * lr) for lr in (0.1, 0.2) for seed in (7, 8)]
    mine = [make("none", seed, (80.0, 30.0), lr=0.1, tuned={"train.lr": 0.1}) for seed in (0, 1)]
    figure = curves.rates(BOTH, metric, tuning, mine)
    assert figure is not None
    lines = figure.axes[0].lines
    dots = [each for each in lines if each.get_marker() == "o" and each.get_markersize() == 3.5]
    assert len(dots) == 4
    (ring,) = [each for each in lines if each.get_markersize() == 9]
    assert [float(ring.get_xdata()[0]), float(ring.get_ydata()[0])] == [0.1, 40]
    (crosses,) = [each for each in lines if each.get_marker() == "+"]
    assert len(crosses.get_xdata()) == 2


def test_a_tuning_run_that_never_got_there_is_an_open_dot() -> None:
    metric = metrics.METRICS["epochs_to_target"]
    tuning = [
        make("none", 7, (60.0, 20.0), lr=0.1, purpose="tune", target=25.0),
        make("none", 7, (60.0, 50.0), lr=0.2, purpose="tune", target=25.0),
    ]
    figure = curves.rates(
        BOTH, metric, tuning, [make("none", 0, (60.0, 20.0), lr=0.1, target=25.0)]
    )
    assert figure is not None
    faces = [e.get_markerfacecolor() for e in figure.axes[0].lines if e.get_markersize() == 3.5]
    assert faces[:2] == ["#000000", "none"]


def test_where_nothing_was_tuned_there_is_no_figure_of_rates() -> None:
    assert curves.rates(BOTH, metrics.METRICS["test_error"], [], RECORDS) is None


def test_dots_are_the_runs_with_their_mean() -> None:
    axes = curves.dots(BOTH, metrics.METRICS["test_error"], RECORDS).axes[0]
    singles = [each for each in axes.lines if len(each.get_xdata()) == 1]
    assert len(singles) == 6
    assert [text.get_text() for text in axes.get_xticklabels()] == ["none", "both"]


def test_a_censored_run_is_an_open_dot() -> None:
    records = [
        make("none", 0, (60.0, 20.0), target=25.0),
        make("none", 1, (60.0, 50.0), target=25.0),
    ]
    axes = curves.dots(BOTH, metrics.METRICS["epochs_to_target"], records).axes[0]
    faces = [each.get_markerfacecolor() for each in axes.lines if len(each.get_xdata()) == 1]
    assert faces[-2:] == ["#000000", "none"]


def test_a_figure_whose_size_is_no_whole_number_of_pixels_keeps_its_rows_in_line(tmp_path):
    """A side may come to 1839.9999999999998 pixels in binary numbers."""
    figure = Figure(figsize=(9.2 - 1e-15, 1))
    figure.add_artist(mpl.lines.Line2D([0.5, 0.5], [0, 1], color="black", linewidth=4))
    with Image.open(figures.save_png(figure, tmp_path / "line.png")) as png:
        dark = [
            png.convert("L").crop((0, y, png.width, y + 1)).point(lambda v: v < 128)
            for y in (9, 190)
        ]
    assert dark[0].getbbox() == dark[1].getbbox()
