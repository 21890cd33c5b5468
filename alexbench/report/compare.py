"""Comparisons of arms from elsewhere: two folders of results, or values in a CSV file."""

import contextlib
import csv
import io
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from matplotlib.figure import Figure
from tabulate import tabulate

from alexbench.analysis import two_arms
from alexbench.analysis.comparison import ComparisonRow, Question, answer, judge
from alexbench.analysis.two_arms import TwoArms
from alexbench.config import metrics
from alexbench.errors import BadInput, shown
from alexbench.report import forest, markdown, rebuild, text
from alexbench.report.drawings import Drawing
from alexbench.report.text import TextTable
from alexbench.runs import files, record

if TYPE_CHECKING:
    import pandas as pd

Table = dict[str, dict[str, dict[str, float]]]  # metric -> arm -> seed -> value
COLUMNS = ("arm", "seed", "value", "metric")
SMALLEST, LARGEST = 1e-100, 1e100  # of the size of a value but 0: its square is a float
ALLOWED = f"0, or a number of size {SMALLEST:g} to {LARGEST:g}"
SHOWN = ("verdict", "arms", "metric", "delta [95% CI]", "how", "n", "without", "with", "p, Holm")


def compare(
    places: Sequence[Path],
    baseline: str | None = None,
    *,
    ratio: bool = False,
    target: float | None = None,
    claimed: float | None = None,
) -> "Compared":
    """Compares two folders of results, two CSV files, or the arms within one; raises BadInput.

    baseline: the arm of CSV files that the others are compared with; None: the first. ratio:
    values of CSV files are compared by their ratio. target: a number that each arm of CSV files is
    compared with, in place of a baseline. claimed: a delta that the rows of differences are judged
    against; with ratio a ratio.
    """
    if not isinstance(ratio, bool):
        raise BadInput(f"ratio: {shown(ratio)} should be True or False")
    folders = [place for place in places if place.is_dir()]
    if not 1 <= len(places) <= 2 or len(folders) not in (0, 2):
        raise BadInput("compare: give two folders of results, or one or two CSV files")
    if len(set(map(os.path.realpath, places))) < len(places):
        raise BadInput(f"compare: {places[0]} and {places[1]} are the same")
    if folders and (baseline is not None or ratio or target is not None):
        raise BadInput("baseline, ratio and target are for CSV files: the first folder is the base")
    if target is not None and (baseline is not None or ratio):
        raise BadInput("target takes the place of a baseline, and has no ratio")
    target = as_number("target", target)
    claimed = as_claimed(claimed, ratio)
    if folders:
        found = list(of_folders(folders[0], folders[1]))
    elif target is not None:
        found = [
            two_arms.against(metric, arm, values, target)
            for metric, arms in read(places).items()
            for arm, values in arms.items()
        ]
    else:
        found = list(of_tables(read(places), baseline, ratio))
    if not found:
        raise BadInput(
            f"{' '.join(map(str, places))}: nothing to compare: no arm or metric in common"
        )
    return Compared(two_arms.judge(found, claimed, ratio=ratio), claimed, ratio)


def as_number(name: str, value: Any) -> float | None:
    """The float of a number of any type. Raises BadInput for what is none, or beyond all use."""
    if value is None:
        return None
    number = math.nan
    if isinstance(value, Real) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            number = float(value)
    if not usable(number):
        raise BadInput(f"{name}: {shown(value)} should be {ALLOWED}")
    return number


def usable(number: float) -> bool:
    """Whether a number can be compared."""
    return number == 0 or SMALLEST <= abs(number) <= LARGEST


def as_claimed(claimed: Any, ratio: bool) -> float | None:
    """The claim. Raises BadInput for one that claims no effect, or a ratio that cannot be."""
    number = as_number("claimed", claimed)
    if number is not None and ratio and number <= 0:
        raise BadInput(f"claimed: {number:g} is no ratio, it should be above 0")
    if number == float(ratio):
        raise BadInput(f"claimed: {number:g} is no effect, there is nothing to judge")
    return number


class Compared(list[TwoArms]):
    """The rows of a comparison, with a table and a figure.

    claimed: the delta, or with ratio the ratio, that they are judged against, or None.
    """

    def __init__(self, rows: Sequence[TwoArms], claimed: float | None, ratio: bool) -> None:
        super().__init__(rows)
        self.claimed = claimed
        self.ratio = ratio

    @property
    def table(self) -> "pd.DataFrame":
        """A row a pair of arms and metric: the keys of ``--json``."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self])

    def plot(self, kind: Literal["forest"] = "forest") -> Figure:
        """Draws each difference or ratio with its 95% interval, a panel a metric.

        Raises BadInput for the other figures of a ``Result``, which plain numbers do not have.
        """
        if kind != "forest":
            raise BadInput(f"plot: {kind!r}: a comparison of plain numbers has a forest alone")
        said = "; ".join(f"{row[1]}, {row[2]}: {row[3]}" for row in map(cells, self))
        figure = forest.draw(list(self.panels()), "bar: 95% interval")
        return Drawing("forest", figure, "differences with 95% intervals", said).shown()

    def panels(self) -> Iterator[forest.ForestPanel]:
        """Yields a panel a metric: numbers of different metrics have no common axis."""
        for metric in dict.fromkeys(row.metric for row in self):
            rows = [row for row in self if row.metric == metric]
            unit = "variant / baseline" if rows[0].ratio else "variant minus baseline"
            yield forest.ForestPanel(
                list(map(self.in_forest, rows)), f"{metric}, {unit}", rows[0].ratio
            )

    def in_forest(self, row: TwoArms) -> forest.ForestRow:
        """A row of the figure: what was measured, and what was claimed."""
        said = dict(zip(SHOWN, cells(row), strict=True))
        marks = [forest.Mark(f"{row.how}, n {said['n']}", row.delta, row.ci_low, row.ci_high)]
        if self.claimed is not None and row.ratio == self.ratio:
            marks.append(forest.Mark("claimed", self.claimed))
        return forest.ForestRow(row.verdict, "", said["arms"], marks)

    def _repr_html_(self) -> str:
        """The table, for a notebook."""
        table = readable(self)
        return tabulate(table.rows, headers=table.columns, tablefmt="html", disable_numparse=True)


def read(paths: Sequence[Path]) -> Table:
    """The values of CSV files; raises BadInput.

    Columns are value, arm, seed and metric. Without arm the file's name is the arm, or its path
    where two files have one name; without seed values are unpaired; without metric it is "value". A
    row with an empty value is left out.
    """
    table: Table = {}
    alike = len({path.stem for path in paths}) < len(paths)
    for path in paths:
        for where, row in rows_of(path):
            if not (said := row["value"].strip()):
                continue
            arm, metric = (
                row.get("arm", "").strip() or (str(path) if alike else path.stem),
                row.get("metric", "").strip() or "value",
            )
            # a value without a seed has a key of its own, which no other arm has
            seed = row.get("seed", "").strip() or f"{where} without a seed"
            arms = table.setdefault(metric, {}).setdefault(arm, {})
            if seed in arms:
                raise BadInput(f"{where}: {arm}, seed {seed}, {metric} has a value already")
            arms[seed] = number_of(said, where)
    return table


def rows_of(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields file:line and the cells of each row of a CSV file, by column; raises BadInput.

    A row has as many cells as the first line: one with more has a decimal comma, or a quote that is
    not closed.
    """
    where = str(path)
    try:
        lines = io.StringIO(files.read_text(path, "utf-8-sig"), newline="")
        reader = csv.reader(lines, skipinitialspace=True, strict=True)
        names = [name.strip().lower() for name in next(reader, ())]
        if "value" not in names or set(names) - set(COLUMNS) or len(names) > len(set(names)):
            raise BadInput(
                f"{path}: its first line is {shown(','.join(names) or 'empty')}; allowed are the "
                "columns arm, seed, value, metric, each once, and value is needed"
            )
        for row in reader:
            where = f"{path}:{reader.line_num}"
            if not any(map(str.strip, row)):  # an empty line
                continue
            if len(row) != len(names):
                raise BadInput(
                    f"{where}: has {len(row)} cells, the first line {len(names)}; in numbers only "
                    "a point is allowed, and a text with a comma needs quotes"
                )
            yield where, dict(zip(names, row, strict=True))
    except csv.Error as error:
        raise BadInput(f"{where}: is no CSV: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read ({files.reason(error)})") from None


def number_of(said: str, where: str) -> float:
    """A number that can be compared; raises BadInput."""
    try:
        value = math.nan if "_" in said else float(said)
    except ValueError:
        value = math.nan
    if not usable(value):
        raise BadInput(f"{where}: value '{shown(said)}' should be {ALLOWED}")
    return value


def of_tables(table: Table, baseline: str | None, ratio: bool) -> Iterator[TwoArms]:
    """Yields each arm against the baseline, metric by metric. Raises BadInput."""
    arms = list(dict.fromkeys(arm for values in table.values() for arm in values))
    if baseline is not None and baseline not in arms:
        raise BadInput(f"baseline {baseline}: allowed are {', '.join(arms)}")
    base = baseline if baseline is not None else next(iter(arms), "")
    for metric, values in table.items():
        if ratio and any(value <= 0 for arm in values.values() for value in arm.values()):
            raise BadInput(f"ratio: {metric} has values that are not above 0")
        for arm in values:
            if arm != base and base in values:
                yield two_arms.compare(
                    metric, (base, arm), (values[base], values[arm]), ratio=ratio
                )


def of_folders(before: Path, after: Path) -> Iterator[TwoArms]:
    """Yields each variant and metric of both folders, the first being the baseline.

    Raises BadInput for folders of different data.
    """
    for base, other in matched(before, after):
        ablation = rebuild.ablation_of(rebuild.whole(base).parent.name, base.resolve())
        ablation = replace(ablation, claims={}, other_seeds=None)
        sides = [
            record.read_folder(each / "runs", many_rates=ablation.tune_neighbours > 0)[0]
            for each in (base, other)
        ]
        if len({run.data["sha256"] for side in sides for run in side}) > 1:
            raise BadInput(f"{base} {other}: are of different data, so that no runs make a pair")
        for variant in ablation.variants:
            arms = [f"{variant} in {place}" for place in (before, after)]
            runs = [
                replace(run, variant=arm)
                for arm, side in zip(arms, sides, strict=True)
                for run in side
                if run.variant == variant
            ]
            if len({run.variant for run in runs}) == 2:
                asked = [Question(metric, arms[0], arms[1]) for metric in ablation.metrics]
                rows = [answer(each, ablation, base.name, runs) for each in asked]
                yield from (of_row(row) for row in judge(rows) if row.num_pairs)


def matched(before: Path, after: Path) -> Iterator[tuple[Path, Path]]:
    """Yields the folders of equal ablation and profile, or the two if they hold runs themselves."""
    if (before / "runs").is_dir() and (after / "runs").is_dir():
        yield before, after
        return
    for runs in sorted(before.glob("*/*/runs")):
        other = after / runs.parent.relative_to(before)
        if (other / "runs").is_dir():
            yield runs.parent, other


def of_row(row: ComparisonRow) -> TwoArms:
    """A row of a comparison as one of two arms."""
    return TwoArms(
        metric=row.metric,
        baseline=row.baseline,
        variant=row.variant,
        how="paired",
        n_baseline=row.num_pairs,
        n_variant=row.num_pairs,
        dropped=row.dropped_seeds,
        baseline_mean=row.baseline_mean,
        variant_mean=row.variant_mean,
        delta=row.delta,
        ci_low=row.ci_low,
        ci_high=row.ci_high,
        p_value=row.p_value,
        p_holm=math.nan,
        verdict="",
        ratio=row.kind != "difference",
    )


def readable(rows: Sequence[TwoArms]) -> TextTable:
    """The rows as texts, for a table."""
    return TextTable(list(SHOWN), [cells(row) for row in rows])


def cells(row: TwoArms) -> list[str]:
    """A row's texts."""
    kind = "ratio" if row.ratio else "difference"
    unit = metrics.METRICS[row.metric].unit if row.metric in metrics.METRICS else None
    means = [
        f"{mean:.6g}" if unit is None else text.value(unit, mean)
        for mean in (row.baseline_mean, row.variant_mean)
    ]
    ends = (row.delta, row.ci_low, row.ci_high)
    # of values whose unit is not known, as many digits as their interval asks for
    delta, low, high = (
        f"{end:+.4g}" if unit is None and not row.ratio else text.size(kind, end) for end in ends
    )
    interval = f"{delta} [n = 1]" if math.isnan(row.ci_low) else f"{delta} [{low}, {high}]"
    number = str(row.n_variant)
    if row.how == "unpaired":
        number = f"{row.n_baseline} and {row.n_variant}"
    if row.dropped:
        number += f" ({row.dropped} dropped)"
    return [
        row.verdict,
        f"{row.variant} vs {row.baseline}",
        row.metric,
        interval,
        row.how,
        number,
        *means,
        text.p_value(row.p_holm),
    ]


def to_markdown(rows: Sequence[TwoArms]) -> str:
    """The rows as a Markdown table, with names escaped."""
    return markdown.table(readable(rows))


def to_json(rows: Sequence[Any]) -> str:
    """Dataclasses as a JSON list; what is not a finite number is null."""
    finite = [
        {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(row).items()
        }
        for row in rows
    ]
    return json.dumps(finite, indent=1)
