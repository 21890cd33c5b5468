"""The CSV files: comparison, summary, arms, and the runs behind them by metric and by epoch."""

import csv
import io
import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from alexbench.analysis.comparison import ComparisonRow, Scale
from alexbench.analysis.pairs import by_rate, chosen
from alexbench.analysis.summary import asked
from alexbench.analysis.verdict import Word
from alexbench.config import metrics, references
from alexbench.config.ablation import Ablation
from alexbench.errors import BadInput, printable, shown
from alexbench.runs import files, metric_values, record
from alexbench.runs.record import RunRecord

Row = Mapping[str, Any]
MOST_BYTES = 10**7  # of a table that is read
AGAIN = "make it again with `alexbench report`"

FROM_CSV: dict[Any, Callable[[str], Any]] = {
    str: lambda cell: text_of(cell),
    int: int,
    float: lambda cell: float(cell or "nan"),
}


def write(rows: Sequence[Row], columns: Sequence[str], path: Path) -> Path:
    """Write the rows with six significant digits and nothing for what is missing."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows([[cell(row.get(name)) for name in columns] for row in rows])
    files.write_text_safely(text.getvalue(), path)
    return path


def write_dataclasses(kind: type, rows: Sequence[Any], path: Path) -> Path:
    """Write a row an instance of the dataclass ``kind`` and a column a field."""
    return write([vars(row) for row in rows], [field.name for field in fields(kind)], path)


def cell(value: object) -> str:
    """A cell's text; a float has six digits: fewer than machines may disagree about."""
    if value is None:
        return ""
    if isinstance(value, str):
        return literal(value)
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return ""
    return f"{value:.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:.6g}"


FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for one


def literal(text: str) -> str:
    """A text that no spreadsheet takes for a formula, printable."""
    return f"'{printable(text)}" if text.startswith(FORMULA) else printable(text)


def text_of(cell: str) -> str:
    """The text that ``literal`` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def read_comparison(path: Path) -> list[ComparisonRow]:
    """Return a comparison with the digits that were written; raises BadInput for other tables."""
    types = {field.name: field.type for field in fields(ComparisonRow)}
    try:
        names, *rows = csv.reader(lines(path), strict=True)
        if names != list(types):
            raise BadInput(f"{path}: is of another alexbench; {AGAIN}")
        found = [
            ComparisonRow(
                *(FROM_CSV[kind](each) for kind, each in zip(types.values(), row, strict=True))
            )
            for row in rows
        ]
    except (OSError, ValueError, csv.Error) as error:
        raise BadInput(f"{path}: cannot be read ({files.reason(error)}); {AGAIN}") from None
    for row in found:
        if wrong := strange(row):
            raise BadInput(f"{path}: {wrong}; {AGAIN}")
    return found


def lines(path: Path) -> list[str]:
    """The lines of a table. Raises OSError and UnicodeDecodeError."""
    return files.read_text(path, most_bytes=MOST_BYTES).splitlines()


def count(cell: str) -> int:
    """A count or a seed in a cell; raises ValueError."""
    if not 0 <= (number := int(cell)) < 10**9:
        raise ValueError(cell)
    return number


def finite(cell: str) -> float:
    """A finite number in a cell; raises ValueError."""
    if not math.isfinite(number := float(cell)):
        raise ValueError(cell)
    return number


Kinds = Mapping[str, Callable[[str], Any]]
ARMS: Kinds = {"trained": count, "tuning_runs": count, "core_hours": finite}
RUNS: Kinds = dict.fromkeys(("metric", "purpose", "variant"), text_of) | {
    "train.lr": finite,
    "seed": count,
    "value": finite,
}


def read_columns(
    path: Path, kinds: Kinds, tell: Callable[[str], None] = lambda line: None
) -> list[Row]:
    """The rows of a table, with these columns alone; none where it is not there.

    A damaged table has none either, and ``tell`` hears why.
    """
    try:
        read = csv.DictReader(lines(path), strict=True)
        if missing := set(kinds).difference(read.fieldnames or ()):
            raise BadInput(f"has no column {min(missing)}")
        return [{name: kind(row[name]) for name, kind in kinds.items()} for row in read]
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, AttributeError, csv.Error) as error:
        tell(f"{path}: cannot be read ({files.reason(error)}); {AGAIN}")
    except BadInput as error:
        tell(f"{path}: {error}; {AGAIN}")
    return []


def strange(row: ComparisonRow) -> str:
    """What no comparison says; nothing where the row can be one."""
    own = row.claim.startswith(f"{row.ablation}:")  # of an ablation's own file
    known: tuple[tuple[str, str, Container[str]], ...] = (
        ("metric", row.metric, metrics.METRICS),
        ("claim", row.claim, [row.claim] if own else ["", *references.claim_ids()]),
        ("verdict", row.verdict, ("", *get_args(Word))),
        ("role", row.role, ("", "claim", "control")),
        ("scale", row.scale, ("", *get_args(Scale))),
    )
    for column, value, allowed in known:
        if value not in allowed:
            return f"{column} '{shown(value)}' is unknown"
    if (row.role == "") != (row.claim == ""):
        return f"role '{row.role}', claim '{shown(row.claim)}': a row has both or neither"
    for column, number in vars(row).items():
        if isinstance(number, int) and not 0 <= number < 10**9:
            return f"{column} {shown(number)} is no count"
        if isinstance(number, str) and not number.isprintable():
            return f"{column} {shown(number)} is not printable"
    return "" if row.kind == metrics.METRICS[row.metric].kind else "another kind of metric"


def told_of(ablation: Ablation, profile: str, run: RunRecord) -> dict[str, Any]:
    """What tells a run from the others, as the first columns of its rows."""
    return {
        "ablation": ablation.name,
        "profile": profile,
        "regime": ablation.regime,
        "variant": run.variant,
        "label": ablation.labels.get(run.variant, run.variant),
        "seed": run.seed,
        "purpose": run.purpose,
        "train.lr": run.config["train"]["lr"],
        "status": run.status,
        "run": files.stem_of(run.variant, run.seed, run.run_id),
    }


RUN_COLUMNS = (
    *("ablation", "profile", "regime", "variant", "label", "seed", "purpose", "train.lr"),
    *("status", "run", "metric", "value", "unit", "censored", "did_not_learn"),
)


def run_rows(ablation: Ablation, profile: str, records: Iterable[RunRecord]) -> Iterator[Row]:
    """Yield a row a run and metric that it measured."""
    for run in records:
        told = told_of(ablation, profile, run)
        idle = int(metric_values.did_not_learn(run))
        for metric in asked(ablation):
            reading = metric_values.read(metric, run)
            if not math.isnan(reading.value):
                yield told | {
                    "metric": metric,
                    "value": reading.value,
                    "unit": metrics.METRICS[metric].unit,
                    "censored": int(reading.censored),
                    "did_not_learn": idle,
                }


def write_history(
    ablation: Ablation, profile: str, records: Sequence[RunRecord], path: Path
) -> Path:
    """Write a row a run and epoch, with every column of the histories; returns the path."""
    rows = [
        told_of(ablation, profile, run) | dict(epoch) for run in records for epoch in run.history
    ]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return write(rows, columns, path)


ARM_COLUMNS = (
    *("ablation", "profile", "regime", "variant", "label", "about", "is_baseline", "train.lr"),
    *("tuned", "epochs", "seeds", "diverged", "did_not_learn", "parameters", "flops"),
    *("trained", "tuning_runs", "core_hours"),
)


def arm_rows(
    ablation: Ablation, profile: str, records: Sequence[RunRecord], others: Sequence[RunRecord]
) -> Iterator[Row]:
    """Yield a row a variant that has runs: what it is, its rates, seeds, size and cost.

    ``others``: the tuning runs, and the members of averages; they count in the cost alone.
    ``trained``, ``tuning_runs`` and ``core_hours`` leave out copies of another folder's runs.
    """
    for variant in ablation.variants:
        runs = [record for record in records if record.variant == variant]
        if runs:
            tuned = chosen(runs[0])
            mine = [*runs, *(run for run in others if run.variant == variant)]
            trained = [run for run in mine if trained_here(run)]
            tried = [run for run in trained if run.purpose == "tune"]
            yield {
                "ablation": ablation.name,
                "profile": profile,
                "regime": ablation.regime,
                "variant": variant,
                "label": ablation.labels.get(variant, variant),
                "about": ablation.about.get(variant),
                "is_baseline": int(variant == ablation.baseline),
                "train.lr": " ".join(f"{rate:.4g}" for rate in by_rate(runs)),
                "tuned": "; ".join(f"{key} {value}" for key, value in tuned.items()),
                "epochs": runs[0].config["train"]["epochs"],
                "seeds": len({run.seed for run in runs}),
                "diverged": sum(run.status == "diverged" for run in runs),
                "did_not_learn": sum(map(metric_values.did_not_learn, runs)),
                "parameters": runs[0].model["parameters"],
                "flops": runs[0].model["flops"],
                "trained": len(trained) - len(tried),
                "tuning_runs": len(tried),
                "core_hours": core_hours(trained),
            }


def trained_here(run: RunRecord) -> bool:
    """Whether the run was trained for its folder: neither copied nor an average of others."""
    return record.was_trained(run) and "trained_for" not in run.environment


def core_hours(runs: Iterable[RunRecord]) -> float:
    """The hours of training and evaluation of the runs, times their threads."""
    seconds = math.fsum(
        run.environment["num_threads"] * (row["train_seconds"] + row["evaluate_seconds"])
        for run in runs
        for row in run.history
    )
    return seconds / 3600


def evaluation_percent(runs: Iterable[RunRecord]) -> float:
    """The share of evaluation in the seconds of training and evaluation of the runs."""
    rows = [row for run in runs for row in run.history]
    evaluated = math.fsum(row["evaluate_seconds"] for row in rows)
    spent = evaluated + math.fsum(row["train_seconds"] for row in rows)
    return 100 * evaluated / spent if spent else 0.0
