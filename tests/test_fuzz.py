"""Hostile inputs: bad input in one printable line, or a valid object, within a second.

The short form is in every run of the tests; the long one, of 26,000 inputs, runs by name:
``pytest -m slow tests/test_fuzz.py``.
"""

import copy
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alexbench.config import metrics
from alexbench.config.ablation import Ablation
from alexbench.config.load import load_ablation
from alexbench.config.overrides import parse_settings
from alexbench.config.paths import shipped_folder
from alexbench.config.shipped import shipped_ablations
from alexbench.config.yaml_file import known_keys, read_yaml
from alexbench.errors import BadInput
from alexbench.report import compare, csv_files, kernel_table
from alexbench.runs import metric_values, pictures, record
from tests.records import LRN, make, with_delta

SHORT = 50  # inputs of a test
SECONDS = 1.0  # of the processor, for one input


def budget(long: int) -> pytest.MarkDecorator:
    """A test with SHORT inputs, and with so many in its long form."""
    slow = pytest.param(long, marks=pytest.mark.slow)
    return pytest.mark.parametrize("inputs", [SHORT, slow], ids=["short", "long"])


Path_ = tuple[Any, ...]

HOSTILE = [
    *(None, True, False, 0, -1, 1, 2, 10**9, 10**30, -(10**30), 0.5, -0.5, 1e-308, 1e308, 101.0),
    *(float("nan"), float("inf"), "", " ", "x", "none", "nan", "010", "1e3", "=1+1", "-1", "\n"),
    *("a\nb", "\x1b[31m", "\u202e", "\ud800", "$x$", "${oc.env:HOME}", "\\input{x}", "<b>|", "é"),
    *("x" * 5000, [], {}, [None], [[]], [[[[1]]]], {"a": 1}, {"": None}, [1, "a", None], [3, 1]),
]
values = st.one_of(
    st.sampled_from(HOSTILE),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=6,
    ),
)


def places(content: Any, path: Path_ = ()) -> Iterator[Path_]:
    """The path of every value in JSON or YAML, the whole first; of long lists the ends alone."""
    yield path
    if isinstance(content, dict):
        for key in content:
            yield from places(content[key], (*path, key))
    elif isinstance(content, list):
        for index in sorted({0, len(content) - 1} & set(range(len(content)))):
            yield from places(content[index], (*path, index))


def changed(content: Any, path: Path_, value: Any, how: str) -> Any:
    """The content with the value at a place replaced or missing, or with one more beside it."""
    new = copy.deepcopy(content)
    inside = new
    for key in path[:-1]:
        inside = inside[key]
    if not path:
        return value
    if how == "missing":
        del inside[path[-1]]
    elif how == "beside" and isinstance(inside, dict):
        inside[value if isinstance(value, str) else "beside"] = value
    else:
        inside[path[-1]] = value
    return new


@st.composite
def damages(draw: Callable[[Any], Any], contents: list[Any]) -> Any:
    """One of the contents with one place changed, or two."""
    content = draw(st.sampled_from(contents))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(list(places(content))))
        how = draw(st.sampled_from(["replaced", "replaced", "missing", "beside"]))
        content = changed(content, path, draw(values), how)
    return content


def check(inputs: int, given_: Any, read: Callable[[Any], object]) -> None:
    """Reads so many inputs: each is read, or bad input in one printable line, within a second."""

    @settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        derandomize=inputs == SHORT,
        suppress_health_check=list(HealthCheck),
    )
    @given(given_)
    def each(content: Any) -> None:
        began = time.process_time()
        try:
            read(content)
        except BadInput as error:
            said = str(error)
            assert said.isprintable()
            assert 0 < len(said) <= 6000
        assert time.process_time() - began < SECONDS

    each()


def ablations() -> list[dict[str, Any]]:
    """What the shipped files say."""
    folder = shipped_folder("ablations")
    return [read_yaml(folder / f"{name}.yaml") for name in shipped_ablations()]


def as_yaml(content: Any) -> str:
    """YAML of anything, odd text included."""
    return yaml.safe_dump(content, allow_unicode=False, sort_keys=False)


@budget(1_500)
def test_an_ablation_file_is_an_ablation_or_bad_input(tmp_path: Path, inputs: int) -> None:
    path = tmp_path / "own.yaml"

    def read(content: Any) -> Ablation:
        path.write_text(as_yaml(content), encoding="utf-8", errors="surrogatepass")
        return load_ablation(str(path))

    check(inputs, damages(ablations()), read)


ODD_YAML = [
    *("!!float abc", "!!int abc", "!!timestamp abc", "!!python/object:os.system x", "!!binary x"),
    *("!!set {a}", "!!map 3", "!!bool 3", "!!null 3", "&a [*a]", "&a {b: *a}", "*a", "<<: 3"),
    *("[" * 200, "[" * 200 + "]" * 200, "{a: " * 99, "9" * 5000, "0x", "1_000", "010", "1:30"),
    *("? [1]\n: 2", "{a: 1, a: 2}", "${a}", "${oc.env:HOME}", "${${a}}", "- - - -", "|\n x", "%x"),
    *("\x00", "\x1b", "\ufeff", "---\n---", "--- a", "'", '"\\x1b"', '"\\ud800"', "@", "`", "#"),
]


@budget(3_000)
def test_yaml_text_is_content_or_bad_input(tmp_path: Path, inputs: int) -> None:
    path, shipped = tmp_path / "own.yaml", shipped_folder("ablations").glob("*.yaml")
    lines = [line for file in shipped for line in file.read_text().splitlines()]
    piece = st.sampled_from(lines) | st.sampled_from(ODD_YAML) | st.text(max_size=30)

    def read(pieces: list[str]) -> Ablation:
        path.write_text("\n".join(pieces), encoding="utf-8", errors="surrogatepass")
        return load_ablation(str(path))

    check(inputs, st.lists(piece, max_size=12), read)


@budget(1_500)
def test_settings_are_settings_or_bad_input(inputs: int) -> None:
    value = st.sampled_from(ODD_YAML) | st.text(max_size=20) | values.map(lambda v: json.dumps(v))
    setting = st.tuples(st.sampled_from(known_keys()), value).map("=".join) | st.text(max_size=20)

    def read(texts: list[str]) -> None:
        parse_settings(texts)
        load_ablation("pooling", settings=texts)

    check(inputs, st.lists(setting, max_size=3), read)


def committed() -> list[Any]:
    """Records of every kind that is committed: measured, tuned, averaged, with extra columns."""
    kinds: dict[tuple[str, ...], Any] = {}
    results = shipped_folder("results")
    paths = [*results.glob("*/*/runs/*.json"), *results.glob("*/*/tuning/*.json")]
    for path in sorted(paths, key=lambda path: path.name):
        content = json.loads(path.read_text(encoding="utf-8"))
        keys = [*content["measurements"], *content["history"][0], *content["data"]]
        kinds.setdefault(tuple(sorted(keys)), content)
    return [*kinds.values(), json.loads(record._dumps(make()))]


@budget(8_000)
def test_a_record_is_read_whole_or_bad_input(tmp_path: Path, inputs: int) -> None:
    path = tmp_path / "record.json"

    def read(content: Any) -> None:
        path.write_text(json.dumps(content))
        found = record.read(path)
        for metric in metrics.METRICS:
            metric_values.read(metric, found)

    check(inputs, damages(committed()), read)


@budget(6_000)
def test_a_table_is_read_or_bad_input(tmp_path: Path, inputs: int) -> None:
    from alexbench.report import build

    path = tmp_path / "comparison.csv"
    rows = build.comparison(LRN, "laptop", with_delta(-1.4))
    csv_files.write_dataclasses(build.ComparisonRow, rows, path)
    names, row = path.read_text().splitlines()
    cells = row.split(",")
    assert csv_files.read_comparison(path) != []

    def read(change: tuple[int, Any, str]) -> None:
        index, value, text = change
        new = [*cells[:index], str(value), *cells[index + 1 :]]
        path.write_text(
            f"{names}\n{','.join(new)}\n{text}", encoding="utf-8", errors="surrogatepass"
        )
        for found in csv_files.read_comparison(path):
            build.headline([found])

    check(inputs, st.tuples(st.integers(0, len(cells) - 1), values, st.text(max_size=5)), read)


@budget(2_000)
def test_tables_of_arms_and_runs_and_values_are_read_or_named(tmp_path: Path, inputs: int) -> None:
    path = tmp_path / "table.csv"
    cells = st.sampled_from([*csv_files.ARMS, *csv_files.RUNS, *compare.COLUMNS, "1", "0.5"])
    line = st.lists(cells | values.map(str), max_size=7).map(",".join)

    def read(lines: list[str]) -> None:
        path.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
        for kinds in (csv_files.ARMS, csv_files.RUNS):
            heard: list[str] = []
            rows = csv_files.read_columns(path, kinds, heard.append)
            assert all(line.isprintable() for line in heard)
            assert not (rows and heard)
        compare.to_markdown(compare.compare([path]))

    head = st.sampled_from(
        [",".join(each) for each in (csv_files.ARMS, csv_files.RUNS, compare.COLUMNS)]
    )
    check(inputs, st.tuples(head, st.lists(line, max_size=4)).map(lambda t: [t[0], *t[1]]), read)


@budget(4_000)
def test_pictures_and_benchmarks_are_read_or_refused(tmp_path: Path, inputs: int) -> None:
    results = shipped_folder("results")
    shown = json.loads(min(results.glob("*/*/pictures/*.json")).read_text())
    shown["kernels"], shown["examples"] = shown["kernels"][:2], shown["examples"][:1]
    measured = json.loads(min(results.glob("benchmarks/*.json")).read_text())
    measured = {key: measured[key] for key in ("machine_info", "benchmarks")}
    measured["benchmarks"] = measured["benchmarks"][:2]
    (tmp_path / "pictures").mkdir()
    file = f"{shown['variant']}-seed{shown['seed']}"

    def read(content: Any) -> None:
        (tmp_path / "pictures" / f"{file}.json").write_text(json.dumps(content))
        found, refusals = pictures.read_folder(tmp_path, {shown["run_id"]: file})
        assert len(found) + len(refusals) <= 1
        (tmp_path / "bench.json").write_text(json.dumps(content))
        kernel_table.markdown(*kernel_table.read(tmp_path / "bench.json"))

    check(inputs, damages([shown, measured]), read)
