"""YAML 1.2, read strictly: what is no such YAML is one printable line, and so is what is wrong."""

from pathlib import Path

import pytest

from alexbench.config.ablation_file import AblationFile
from alexbench.config.load import expand, find, in_name, load_ablation
from alexbench.config.overrides import parse_settings
from alexbench.config.paths import shipped_folder
from alexbench.config.yaml_file import parse
from alexbench.errors import BadInput, shown

FILE = """
title: Pools
question: Do overlapping pools help?
baseline: non_overlapping
metrics: [test_error]
tune: none
tune_reason: it is a test
variants:
  non_overlapping: {model.pooling: non_overlapping}
  overlapping: {model.pooling: overlapping}
"""


def refusal(folder: Path, text: str, name: str = "own.yaml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        load_ablation(str(path))
    said = str(caught.value)
    assert said.isprintable()
    return said


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("010", 10), ("0o10", 8), ("0x1F", 31), ("+3", 3), ("-3", -3), ("1e-2", 0.01)],
        *[("1.", 1.0), (".5", 0.5), ("-.5e3", -500.0), ("true", True), ("False", False)],
        *[("~", None), ("", None), ("1:30", "1:30"), ("1_000", "1_000"), ("yes", "yes")],
        *[("off", "off"), ("2026-01-01", "2026-01-01"), ("0o8", "0o8"), ("'1'", "1")],
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    found = parse(text, "x")
    assert found == value
    assert type(found) is type(value)


def test_the_environment_is_not_read(monkeypatch):
    monkeypatch.setenv("SECRET", "leaked")
    assert parse("${oc.env:SECRET}", "x") == "${oc.env:SECRET}"
    assert parse_settings(["data.name=${oc.env:SECRET}"]) == {"data.name": "${oc.env:SECRET}"}


@pytest.mark.parametrize(
    "text",
    [
        *["!!float abc", "!!int abc", "!!timestamp abc", "!!python/name:os.system", "!!map 3"],
        *["!!bool 3", "!!set {a}", "9" * 5000, "[" * 200 + "]" * 200, "[" * 9000, "{a: " * 99],
        *["&a [*a]", "&a {b: *a}", "*a", "{a: 1, a: 2}", "? [1]\n: 2", "\x1b[31m", "{<<: 3}"],
        "\n".join(
            ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 19))]
        ),
    ],
)
def test_odd_yaml_is_refused_in_one_short_printable_line(text):
    with pytest.raises(BadInput) as caught:
        parse(text, "file.yaml")
    assert str(caught.value).startswith("file.yaml")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_several_errors_of_a_file_are_told_at_once(tmp_path):
    keys = FILE.replace("title: Pools", "titel: Pools\nmetrisc: 1")
    said = refusal(tmp_path, keys)
    assert "key 'title' is missing" in said
    assert "unknown key 'metrisc', did you mean 'metrics'?" in said
    values = FILE.replace("_overlapping}", "_overlap, train.lr: -1}").replace(
        "overlapping: {", "overlapping: {train.epochs: none, "
    )
    said = refusal(tmp_path, values)
    for part in ("model.pooling: 'non_overlap'", "train.lr: -1", "train.epochs: 'none'"):
        assert part in said
    names = FILE.replace("baseline: non_", "baseline: nun_").replace("[test_error]", "[a, b]")
    said = refusal(tmp_path, names)
    for part in ("baseline 'nun_overlapping'", "metric 'a'", "metric 'b'"):
        assert part in said


def test_values_are_shortened_and_escaped_wherever_they_came_from(tmp_path):
    assert len(shown("x" * 10**6)) <= 80
    assert len(shown([["x" * 10**5] * 999] * 999)) <= 80
    assert len(shown(10**5000)) <= 80
    assert (
        len(refusal(tmp_path, FILE.replace("lapping}", f"lapping, train.lr: {'z' * 9999}}}"))) < 999
    )
    assert r"\x1b" in refusal(tmp_path, FILE.replace("non_overlapping:", '"a\\x1b":'))
    assert r"\n" in refusal(tmp_path, FILE.replace("non_overlapping:", '"a\\nb":'))
    with pytest.raises(BadInput, match=r"a\\nb: no such file"):
        find("a\nb")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("overlapping}", "overlapping, train.lr_drop_epochs: [8, 4]}"), "epochs that rise"),
        (("overlapping}", "overlapping, train.lr_drop_epochs: [4, 4]}"), "epochs that rise"),
        (("overlapping}", "overlapping, train.bias_lr: [[3, 0.1], [1, 0.1]]}"), "that rise"),
        (("[test_error]", "[test_error, test_error]"), "metric 'test_error' is given twice"),
        (("baseline:", "claims: {pooling: []}\nbaseline:"), "claims.pooling: [] is not allowed"),
        (("  overlapping:", f"  {'v' * 101}:"), "a name has at most 100 characters"),
        (
            ("tune: none", "profiles: {laptop: {extra_variants: {overlapping: {}}}}\ntune: none"),
            "extra_variants: 'overlapping' is a variant of the file already",
        ),
        (("title: Pools", 'title: "\\e[31m"'), "it should be printable text"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(tmp_path, change, expected):
    assert expected in refusal(tmp_path, FILE.replace(*change, 1))


def test_a_key_that_is_set_twice_is_refused():
    with pytest.raises(BadInput, match=r"train\.lr is set twice"):
        parse_settings(["train.lr=1", "train.lr=2"])


def test_an_own_file_of_a_shipped_name_is_refused_unless_it_is_the_same(tmp_path):
    assert "'pooling' is a shipped ablation" in refusal(tmp_path, FILE, "pooling.yaml")
    shipped = shipped_folder("ablations") / "pooling.yaml"
    (tmp_path / "pooling.yaml").write_bytes(shipped.read_bytes())
    assert load_ablation(str(tmp_path / "pooling.yaml")).name == "pooling"


def test_cells_of_a_matrix_have_names_whatever_their_values():
    values = [-1.0, -3, 1e-05, [8, 10], [[1, 0.1], [5, 0.01]], [], {"conv1": -1}, None, True, "a"]
    names = ["minus1.0", "minus3", "1e-05", "8+10", "1_0.1+5_0.01", "empty", "conv1_minus1"]
    assert [in_name(value) for value in values] == [*names, "None", "True", "a"]
    file = AblationFile.model_validate(
        {
            "title": "t",
            "question": "q",
            "baseline": "minus1.0-8+10",
            "metrics": ["test_error"],
            "matrix": {"model.bias_init": [-1.0, 1.0], "train.lr_drop_epochs": [[8, 10], [9]]},
        }
    )
    assert list(expand(file, Path("x"))) == ["minus1.0-8+10", "minus1.0-9", "1.0-8+10", "1.0-9"]


def test_a_matrix_of_too_many_cells_is_refused_before_they_are_made():
    file = AblationFile.model_validate(
        {
            "title": "t",
            "question": "q",
            "baseline": "a",
            "metrics": ["test_error"],
            "matrix": {f"train.k{index}": list(range(30)) for index in range(7)},
        }
    )
    with pytest.raises(BadInput, match=r"has 21,870,000,000 cells, at most 1,000"):
        expand(file, Path("x"))
