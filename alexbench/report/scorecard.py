"""The scorecard: each claim on the strongest data that it was measured on, with its verdict."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from alexbench.analysis.comparison import ComparisonRow
from alexbench.analysis.stats import ALPHA, holm
from alexbench.config import references
from alexbench.config.profiles import is_profile, split_profile
from alexbench.config.shipped import PROFILES, shipped_ablations
from alexbench.config.yaml_file import hint
from alexbench.errors import BadInput
from alexbench.report import csv_files, text
from alexbench.report.text import Comparisons, TextTable
from alexbench.report.verdicts import LOOKS

DRAWN = "glyphs"  # letters that alexbench draws: weaker evidence than photographs


class Line(NamedTuple):
    """A row of the scorecard: a comparison, and those of the same claim that it stands for.

    ``p_holm_here``: the p value after Holm's adjustment over the lines of the scorecard.
    """

    folder: Path
    row: ComparisonRow
    more: tuple[ComparisonRow, ...] = ()
    p_holm_here: float = math.nan
    needs_arm: bool = False  # another line of the claim has the same metric

    @property
    def loses_its_sign(self) -> bool:
        """Whether the sign that its own table holds is open after Holm over the scorecard."""
        return self.row.sign in ("same", "opposite") and self.p_holm_here > ALPHA


class Spent(NamedTuple):
    """What the runs behind a scorecard took."""

    runs: int
    tuning_runs: int
    core_hours: float


class Scorecard(NamedTuple):
    """Every claim of the references, in four blocks and two lists."""

    photographs: tuple[Line, ...]  # claims with a size, a line a metric and pair of arms
    letters: tuple[Line, ...]  # claims with a size that only letters were asked; a line a claim
    without_size: tuple[Line, ...]  # claims of a direction; a line a claim
    no_effect_stated: tuple[str, ...]  # measured, and no verdict is possible
    not_tested: tuple[str, ...]
    cost: Spent

    def lines(self) -> tuple[Line, ...]:
        """The lines of all blocks."""
        return (*self.photographs, *self.letters, *self.without_size)


def scorecard(tables: Comparisons, profile: str | None = None) -> Scorecard:
    """Return the scorecard over (folder, comparison) of results/; of one profile, if it is named.

    Settings by hand (``laptop,train.epochs=1``) have no place in it.
    """
    kept = [
        (folder, row)
        for folder, table in tables
        if is_profile(folder.name) and profile in (None, folder.name)
        for row in table
        if row.role == "claim" and not math.isnan(row.delta)
    ]
    chosen = {claim: strongest(claim, kept) for claim in references.claim_ids()}
    judged = {
        claim: [each for each in lines if each.row.verdict] for claim, lines in chosen.items()
    }
    sized = [line for lines in judged.values() for line in lines if has_size(line.row)]
    photographs = [line for line in sized if line.row.data != DRAWN]
    letters = once([line for line in sized if line.row.data == DRAWN])
    unsized = [line for lines in judged.values() for line in lines if not has_size(line.row)]
    shown = {line.row.claim for line in (*photographs, *letters)}
    directions = once(
        [line for line in unsized if line.row.data != DRAWN or line.row.claim not in shown]
    )
    lines = adjusted([*photographs, *letters, *directions])
    ends = len(photographs), len(photographs) + len(letters)
    return Scorecard(
        photographs=tuple(lines[: ends[0]]),
        letters=tuple(lines[ends[0] : ends[1]]),
        without_size=tuple(lines[ends[1] :]),
        no_effect_stated=tuple(name for name in chosen if chosen[name] and not judged[name]),
        not_tested=tuple(name for name in chosen if not chosen[name]),
        cost=cost({line.folder for line in lines}),
    )


def has_size(row: ComparisonRow) -> bool:
    """Whether the claim is about a number, so that measured / claimed exists."""
    return not math.isnan(row.share)


def strongest(claim: str, rows: Sequence[tuple[Path, ComparisonRow]]) -> list[Line]:
    """The comparisons of a claim on the strongest data of each regime, in the order of its file.

    The claim's own data come first, then the larger profile, then the ablation that it names.
    """
    mine = [(folder, row) for folder, row in rows if row.claim == claim]
    found = []
    for regime in dict.fromkeys(row.regime for _, row in mine):
        asked = [(folder, row) for folder, row in mine if row.regime == regime]
        best = max((folder for folder, _ in asked), key=lambda folder: strength(folder, asked))
        found += [Line(folder, row) for folder, row in asked if folder == best]
    return found


def strength(folder: Path, rows: Sequence[tuple[Path, ComparisonRow]]) -> tuple[bool, int, bool]:
    """What a folder's data weigh for the claim of these rows."""
    row = next(row for each, row in rows if each == folder)
    scale = PROFILES.index(split_profile(folder.name)[0])
    own = references.claim(row.claim).ablation == row.ablation
    return row.same_data == "yes", scale, own


def once(lines: Sequence[Line]) -> list[Line]:
    """The first line of each claim and regime, with the rows of the others behind it."""
    first: dict[tuple[str, str], Line] = {}
    for line in lines:
        key = (line.row.claim, line.row.regime)
        known = first.get(key)
        first[key] = line if known is None else known._replace(more=(*known.more, line.row))
    return list(first.values())


def adjusted(lines: Sequence[Line]) -> list[Line]:
    """The lines with p values after Holm's adjustment over all of them."""
    after = holm([line.row.p_value for line in lines])
    asked = Counter((line.row.claim, line.row.metric, line.row.regime) for line in lines)
    return [
        line._replace(
            p_holm_here=p,
            needs_arm=asked[line.row.claim, line.row.metric, line.row.regime] > 1,
        )
        for line, p in zip(lines, after, strict=True)
    ]


def cost(folders: Iterable[Path]) -> Spent:
    """The runs and core hours that the folders' arms.csv tell; runs of another folder not twice."""
    runs, tuning, hours = 0, 0, 0.0
    for folder in sorted(folders):
        for arm in csv_files.read_columns(folder / "arms.csv", csv_files.ARMS):
            runs += arm["trained"] + arm["tuning_runs"]
            tuning += arm["tuning_runs"]
            hours += arm["core_hours"]
    return Spent(runs, tuning, hours)


def tally(lines: Sequence[Line], cost: Spent | None) -> str:
    """``2 reproduced, 2 larger, 4 negligible; 164 runs, 14.2 core hours``."""
    counts = Counter(line.row.verdict for line in lines)
    said = ", ".join(f"{counts[word]} {word}" for word in LOOKS if counts[word])
    spent = f"; {cost.runs:,} runs, {cost.core_hours:.1f} core hours" if cost and cost.runs else ""
    return f"{said or 'nothing measured yet'}{spent}"


def asked(
    tables: Comparisons, names: Sequence[str], profile: str | None
) -> tuple[Scorecard | None, list[Line]]:
    """Return the scorecard and its lines; of ``names`` (claims, ablations) every measurement.

    Raises BadInput for a name or a profile that is none, or that nothing was measured of.
    """
    if profile is not None and not any(folder.name == profile for folder, _ in tables):
        known = sorted({folder.name for folder, _ in tables})
        raise BadInput(
            f"--profile {profile}: no results{hint(profile, known)}; there are {', '.join(known)}"
        )
    if not names:
        card = scorecard(tables, profile)
        return card, list(card.lines())
    allowed = [*references.claim_ids(), *shipped_ablations()]
    allowed += [folder.parent.name for folder, _ in tables]
    allowed += [row.claim for _, table in tables for row in table if row.claim]
    for name in names:
        if name not in allowed:
            raise BadInput(f"{name}: no claim and no ablation{hint(name, allowed)}")
    lines = [
        Line(folder, row)
        for folder, table in tables
        for row in table
        if row.role
        and (row.claim in names or row.ablation in names)
        and profile in (None, folder.name)
    ]
    if not lines:
        raise BadInput(f"{', '.join(names)}: nothing was measured of this")
    return None, adjusted(lines)


def as_json(line: Line) -> dict[str, Any]:
    """The columns of a line, and its p value over the table; what is not finite is null."""
    row = {**vars(line.row), "p_holm_here": line.p_holm_here}
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }


def others(line: Line) -> str:
    """``and 7 more: 5 inconclusive, 2 excluded``; nothing where the line stands for itself."""
    if not line.more:
        return ""
    counts = Counter(row.verdict for row in line.more)
    said = ", ".join(f"{counts[word]} {word}" for word in LOOKS if counts[word])
    return f"and {len(line.more)} more: {said}"


def notes(card: Scorecard) -> list[str]:
    """What stands below: signs that Holm takes back, claims without a verdict, claims untested."""
    lines = card.lines()
    lost = [f"{line.row.claim} ({line.row.metric})" for line in lines if line.loses_its_sign]
    found = []
    if lost:
        found.append(
            f"† the sign holds in the ablation's own table, and not after Holm's adjustment over "
            f"these {len(lines)} rows: {', '.join(lost)}."
        )
    if card.no_effect_stated:
        names = ", ".join(card.no_effect_stated)
        found.append(f"Measured, without a verdict, as the source states no effect: {names}.")
    found.append(f"Not tested: {', '.join(card.not_tested) or 'none; every claim was measured'}.")
    return found


def readable(lines: Sequence[Line]) -> TextTable:
    """The lines as a table of texts, in the order of columns of every table."""
    table = text.headline([line.row for line in lines])
    rows = []
    for line, cells in zip(lines, table.rows, strict=True):
        mark = " †" if line.loses_its_sign else ""
        more = f"; {others(line)}" if line.more else ""
        rows.append([cells[0] + mark, cells[1] + more, *cells[2:], line.folder.name])
    return TextTable([*table.columns, "profile"], rows)
