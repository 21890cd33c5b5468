"""How every figure looks and is written: equal figures give equal bytes.

A variant has the same colour, line and marker in every figure of its ablation: those of its place
in the file; variants that no claim is about are grey. Colours follow Okabe and Ito
(jfly.uni-koeln.de/color), made darker or lighter until each has a contrast of 3 on white and on the
dark page. Figures are as wide as a column of a paper; sizes below are inches.
"""

import io
import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from alexbench.config.ablation import Ablation
from alexbench.runs.files import write_safely, write_text_safely

INK, GREY = "#000000", "#7a7a7a"
COLOURS = (INK, "#0072B2", "#D55E00", "#009E73", "#B8579A", "#9A6A00", "#8C6BC8")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
COLUMN = 3.5  # width of a figure
TEXT = 7.5  # points
DPI = 200
PALETTE = 64  # colours of a PNG
PAGE_COLOURS = {  # what a page shows in place of a file's colour, so that both themes are legible
    INK: "currentColor",
    "#00694b": "var(--good)",
    "#0757a8": "var(--part)",
    "#a33b00": "var(--bad)",
    "#7a4b94": "var(--none)",
    "#5a5f66": "var(--open)",
    "#a14600": "var(--claim)",
    "#eeeeee": "var(--zone)",
    "#ffffff": "var(--paper)",
}
CLAIM = "#a14600"  # what a source says
SOFT = "#5a5f66"  # notes
ZONE = "#eeeeee"  # behind what counts as nothing
STYLE: Any = {
    "font.size": TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "text.parse_math": False,
    "svg.hashsalt": "alexbench",
    "svg.fonttype": "none",
    "pdf.compression": 6,
}


class Look(NamedTuple):
    """How a variant is drawn."""

    colour: str
    line: str | tuple[int, tuple[int, ...]]
    marker: str


class ArmDrawn(NamedTuple):
    """A variant in a figure: its place in the file, its label and its look."""

    place: int
    name: str
    label: str
    look: Look


def arms(ablation: Ablation) -> list[ArmDrawn]:
    """Return the variants of an ablation as figures show them; grey where claims are of others."""
    claimed = {ablation.baseline}
    for use in (use for uses in ablation.claims.values() for use in uses):
        claimed |= {use.variant, use.baseline or ablation.baseline, use.control or use.variant}
    if not ablation.claims:
        claimed = set(ablation.variants)
    return [
        ArmDrawn(place, name, ablation.labels.get(name, name), look(place, name in claimed))
        for place, name in enumerate(ablation.variants)
    ]


def look(place: int, claimed: bool = True) -> Look:
    """Return the look of the variant at that place in its ablation's file."""
    colour = COLOURS[place % len(COLOURS)] if claimed else GREY
    return Look(colour, LINES[place % len(LINES)], MARKERS[place % len(MARKERS)])


@contextmanager
def plain_style() -> Iterator[None]:
    """Matplotlib's own defaults and the style of alexbench, whatever a matplotlibrc says."""
    with matplotlib.style.context("default"), mpl.rc_context(STYLE):
        yield


def place(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Return new axes at these inches of the figure: no layout depends on a font's metrics."""
    wide, high = figure.get_size_inches()
    return figure.add_axes((left / wide, bottom / high, width / wide, height / high))


def name_the_ends(ax: Axes, ends: Sequence[tuple[ArmDrawn, float, float]], panel: str) -> None:
    """Write each arm's label right of the axes, at the height of its line's end (x, y).

    Labels that would touch are moved apart; a thin line leads from the label to the end. ``panel``
    makes the ids of the labels unique in the figure.
    """
    if not ends:
        return
    x = 1.03  # of the width of the axes
    low, high = ax.get_ylim()
    figure = ax.get_figure(root=True)
    assert figure is not None
    gap = 0.135 / (ax.get_position().height * figure.get_size_inches()[1])
    heights = spread([(end[2] - low) / (high - low) for end in ends], gap)
    to_axes = ax.transData + ax.transAxes.inverted()
    for (arm, end_x, end_y), height in zip(ends, heights, strict=True):
        colour, _, marker = arm.look
        start = to_axes.transform((end_x, end_y))
        ax.plot(
            [start[0], x - 0.01, x + 0.02],
            [start[1], height, height],
            transform=ax.transAxes,
            color=colour,
            linewidth=0.5,
            marker=marker,
            markevery=[2],
            markersize=3,
            clip_on=False,
            gid=f"arm{arm.place}-name-{panel}",
        )
        ax.text(x + 0.05, height, arm.label, transform=ax.transAxes, va="center").set_gid(
            f"arm{arm.place}-label-{panel}"
        )


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """The heights, moved as little as one pass down and up needs so that none is within ``gap``."""
    order = sorted(range(len(heights)), key=lambda i: (heights[i], i))
    moved = list(heights)
    for before, after in itertools.pairwise(order):
        moved[after] = max(moved[after], moved[before] + gap)
    excess = max(0.0, moved[order[-1]] - max(1.0, gap * (len(order) - 1)))
    moved[order[-1]] -= excess
    for after, before in itertools.pairwise(order[::-1]):
        moved[before] = min(moved[before], moved[after] - gap)
    return moved


def to_svg(figure: Figure) -> str:
    """Return the figure as SVG without dates and versions, its labels as text."""
    buffer = io.StringIO()
    with plain_style():
        metadata = {key: None for key in ("Creator", "Date", "Format", "Type")}
        figure.savefig(buffer, format="svg", metadata=metadata, transparent=True)
    return buffer.getvalue()


def for_file(svg: str) -> str:
    """The SVG on white, as a file of its own."""
    head, _, body = svg.partition("<g id=")
    return f'{head}<rect width="100%" height="100%" fill="#ffffff"/>\n <g id={body}'


def for_page(svg: str, name: str, alternative: str) -> str:
    """The SVG as an element that fits its container and the page's colours.

    ``name`` makes its ids unique on the page; ``alternative`` is what a screen reader says.
    """

    def tag_of_page(tag: re.Match[str]) -> str:
        said = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", tag[0])
        for colour, shown in PAGE_COLOURS.items():
            said = re.sub(colour, shown, said, flags=re.IGNORECASE)
        return re.sub(r"\bblack\b", "currentColor", said)

    text = re.sub(r"<[^>]*>", tag_of_page, svg[svg.index("<svg") :])  # texts stay
    for _ in range(2):
        text = re.sub(r'^<svg ([^>]*?)\b(?:width|height)="[\d.]+pt" ', r"<svg \1", text)
    return f'<svg role="img" aria-label="{escape(alternative)}" {text.removeprefix("<svg ")}'


def save(figure: Figure, svg: str, path: Path) -> list[Path]:
    """Write the figure as .svg, .pdf and .png beside each other; returns their paths.

    No file holds a date or a version. Raises RunFailed.
    """
    write_text_safely(for_file(svg), path.with_suffix(".svg"))
    return [path.with_suffix(".svg"), save_pdf(figure, path), save_png(figure, path)]


def save_pdf(figure: Figure, path: Path) -> Path:
    """Write the figure as .pdf; returns the path."""
    buffer = io.BytesIO()
    with plain_style():
        metadata = dict.fromkeys(("Creator", "Producer", "CreationDate"))
        figure.savefig(buffer, format="pdf", metadata=metadata)
    write_safely([buffer.getbuffer()], path.with_suffix(".pdf"))
    return path.with_suffix(".pdf")


def save_png(figure: Figure, path: Path, colours: int | None = PALETTE) -> Path:
    """Write the figure as .png with a palette of so many colours; returns the path.

    A drawing loses nothing to see by it, and needs a third of the bytes. None: every colour.
    """
    whole, png = io.BytesIO(), io.BytesIO()
    with plain_style():
        figure.savefig(whole, dpi=DPI, format="png", pil_kwargs={"compress_level": 1})
    drawn = Image.open(whole).convert("RGB")
    if colours:
        drawn = drawn.quantize(colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    drawn.save(png, "png")
    write_safely([png.getbuffer()], path.with_suffix(".png"))
    return path.with_suffix(".png")
