"""`alexbench compare`: plain numbers and folders of results, paired where their seeds match."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from typer.testing import CliRunner

import alexbench
from alexbench.__main__ import app
from alexbench.analysis import two_arms
from alexbench.errors import BadInput
from alexbench.report.compare import compare, readable, to_json, to_markdown
from tests.records import whole, with_delta, write_records

# The validation losses that a record of the modded-nanogpt speed run was published with (embeddings
# in the value activations, contributor @KoszarskyB): one-sided p=0.0003 for a mean below 3.28, mean
# 3.2777, standard deviation 0.0040.
SPEED_RUN = """
3.2759 3.2781 3.2791 3.2771 3.2838 3.2749 3.2793 3.279 3.2794 3.2744 3.2751 3.2845 3.2736 3.2783
3.2793 3.2779 3.2756 3.281 3.2803 3.2766 3.2851 3.275 3.2778 3.2723 3.2842 3.2735 3.275 3.2796
3.2782 3.2758 3.2763 3.2751 3.2791 3.2804 3.2725 3.2898 3.2718 3.2764 3.271 3.2745
"""
RATIOS = "arm,seed,value\na,0,1\na,1,2\nb,0,3\nb,1,4\n"
LOSSES = [float(loss) for loss in SPEED_RUN.split()]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_public_speed_run_log_gives_the_t_interval_computed_by_hand(tmp_path):
    log = write(tmp_path / "record.csv", "value\n" + "\n".join(map(str, LOSSES)) + "\n")
    (row,) = compare([log], target=3.28)
    mean = sum(LOSSES) / 40
    sd = math.sqrt(sum((loss - mean) ** 2 for loss in LOSSES) / 39)
    half = 2.0226909 * sd / math.sqrt(40)  # Student's t, 39 degrees of freedom, 97.5%
    assert (row.how, row.n_variant, row.verdict) == ("target", 40, "lower")
    assert row.variant_mean == pytest.approx(3.2777, abs=5e-5)
    assert sd == pytest.approx(0.0040, abs=5e-5)
    assert (row.ci_low, row.ci_high) == pytest.approx((mean - 3.28 - half, mean - 3.28 + half))
    assert row.p_value / 2 == pytest.approx(0.0003, abs=5e-5)


def test_pairs_have_the_interval_of_their_differences(tmp_path):
    text = "arm,seed,value\na,0,10\na,1,20\na,2,30\nb,2,33\nb,0,11\nb,1,22\n"
    (row,) = compare([write(tmp_path / "x.csv", text)])
    # differences 1, 2, 3: mean 2, deviation 1, t of 2 degrees 4.3027
    assert (row.how, row.n_baseline, row.delta) == ("paired", 3, 2)
    assert row.ci_high - row.delta == pytest.approx(4.302653 / math.sqrt(3))


@pytest.mark.parametrize("seeds", [("0", "1", "2", "10", "11", "12"), ("",) * 6])
def test_values_whose_seeds_do_not_match_have_welchs_interval(tmp_path, seeds):
    a, b = [10.0, 20.0, 30.0], [11.0, 22.0, 33.0]
    lines = [f"a,{seed},{value}" for seed, value in zip(seeds, a, strict=False)]
    lines += [f"b,{seed},{value}" for seed, value in zip(seeds[3:], b, strict=True)]
    (row,) = compare([write(tmp_path / "x.csv", "arm,seed,value\n" + "\n".join(lines))])
    known = scipy.stats.ttest_ind(b, a, equal_var=False)
    interval = known.confidence_interval(0.95)
    assert (row.how, row.n_baseline, row.n_variant) == ("unpaired", 3, 3)
    assert (row.ci_low, row.ci_high) == pytest.approx((interval.low, interval.high))
    assert row.p_value == pytest.approx(known.pvalue)


def test_a_seed_that_one_arm_lacks_is_dropped_and_counted():
    values = ({str(seed): 10.0 + seed for seed in range(6)}, {"0": 1.0, "1": 2.5, "2": 3.0})
    row = two_arms.compare("value", ("a", "b"), values)
    assert (row.how, row.n_baseline, row.dropped) == ("paired", 3, 3)
    few = ({str(seed): 10.0 + seed for seed in range(10)}, {"9": 1.0, "10": 2.5, "11": 3.0})
    assert two_arms.compare("value", ("a", "b"), few).how == "unpaired"


def test_a_ratio_is_that_of_geometric_means(tmp_path):
    text = "arm,seed,value\na,0,1\na,1,4\nb,0,2\nb,1,8\n"
    (row,) = compare([write(tmp_path / "x.csv", text)], ratio=True)
    assert (row.baseline_mean, row.variant_mean, row.delta) == pytest.approx((2, 4, 2))


def test_words_are_those_of_a_verdict_where_something_is_claimed(tmp_path):
    lines = [f"a,{seed},{10 + seed}\nb,{seed},{12 + seed + seed % 2 / 10}" for seed in range(6)]
    log = write(tmp_path / "x.csv", "arm,seed,value\n" + "\n".join(lines))
    assert [compare([log], claimed=size)[0].verdict for size in (2.05, 9, -2)] == [
        "reproduced",
        "negligible",
        "opposite",
    ]
    assert compare([log])[0].verdict == "higher"
    assert compare([log], baseline="b")[0].verdict == "lower"


def test_two_files_are_two_arms_and_every_metric_is_a_row(tmp_path):
    text = "seed,metric,value\n0,loss,1\n1,loss,2\n0,time,5\n1,time,7\n"
    paths = [write(tmp_path / f"{name}.csv", text) for name in ("old", "new")]
    rows = compare(paths)
    assert [(row.metric, row.baseline, row.variant, row.delta) for row in rows] == [
        ("loss", "old", "new", 0),
        ("time", "old", "new", 0),
    ]
    assert to_markdown(rows).count("\n") == 3
    assert "new vs old" in to_markdown(rows)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("arm,seed,loss\na,0,1\n", r"its first line is arm,seed,loss; allowed are"),
        ("arm,seed,value\na,0,1\na,0,2\n", r"x.csv:3: a, seed 0, value has a value already"),
        ("arm,seed,value\na,0,many\n", r"x.csv:2: value 'many' should be 0, or a number of size"),
        ("arm,seed,value\na,0,nan\n", r"x.csv:2: value 'nan' should be"),
        (
            "arm,seed,value\na,0,1\n\na,1,1e101\n",
            r":4: value '1e101' should be .* 1e-100 to 1e\+100",
        ),
        ("arm,seed,value\na,0,1_0\n", r"x.csv:2: value '1_0' should be"),
        ("arm,seed,value\na,0,1,5\n", r"x.csv:2: has 4 cells, the first line 3; in numbers only a"),
        ("arm,seed,value\na,0,1\na,1\n", r"x.csv:3: has 2 cells, the first line 3"),
        ('arm,seed,value\na,0,1\n"a,1,2\nb,0,3\n', r"x.csv:\d: is no CSV: unexpected end of data"),
        ("arm,value,value\na,1,2\n", r"its first line is arm,value,value; .* each once"),
        ("arm,seed,value\na,0,1\n", r"nothing to compare"),
        ("", r"its first line is empty"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path, text, said):
    with pytest.raises(BadInput, match=said):
        compare([write(tmp_path / "x.csv", text)])


def test_a_file_in_utf_16_is_told_so(tmp_path):
    (tmp_path / "x.csv").write_text("arm,value\na,1\n", encoding="utf-16")
    with pytest.raises(BadInput, match=r"cannot be read \(it is not text in UTF-8\)"):
        compare([tmp_path / "x.csv"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"claimed": math.nan}, "claimed: nan should be 0, or a number of size 1e-100 to 1e"),
        ({"claimed": -math.inf}, "claimed: -inf should be"),
        ({"claimed": np.float32("inf")}, r"claimed: .*inf\)? should be"),
        ({"claimed": 10**5000}, "claimed: a whole number of 16610 bits should be"),
        ({"claimed": "-1.4"}, "claimed: -1.4 should be"),
        ({"claimed": True}, "claimed: True should be"),
        ({"claimed": 0}, "claimed: 0 is no effect"),
        ({"claimed": 1, "ratio": True}, "claimed: 1 is no effect"),
        ({"claimed": 0, "ratio": True}, "claimed: 0 is no ratio, it should be above 0"),
        ({"target": math.inf}, "target: inf should be"),
        ({"target": -1e101}, "target: -1e\\+101 should be"),
        ({"target": 1e-101}, "target: 1e-101 should be"),
        ({"target": 1.0, "ratio": True, "claimed": 1}, "target takes the place of a baseline"),
        ({"ratio": "yes"}, "ratio: yes should be True or False"),
    ],
)
def test_what_cannot_be_claimed_is_refused(tmp_path, options, said):
    with pytest.raises(BadInput, match=said):
        compare([write(tmp_path / "x.csv", RATIOS)], **options)


@pytest.mark.parametrize("options", [{}, {"ratio": True}, {"ratio": True, "claimed": 2.0}])
@pytest.mark.parametrize(("large", "small"), [("1e100", "1e-100"), ("2e-100", "1e-100")])
def test_the_largest_and_smallest_values_have_an_interval(tmp_path, options, large, small):
    text = f"arm,seed,value\na,0,{large}\na,1,{small}\nb,5,{small}\nb,6,{large}\n"
    (row,) = compare([write(tmp_path / "x.csv", text)], **options)
    assert row.verdict in ("open", "inconclusive")
    assert row.ci_low < row.delta < row.ci_high
    assert readable([row]).rows


def test_a_place_compared_with_itself_is_refused(tmp_path):
    path = write(tmp_path / "x.csv", RATIOS)
    for pair in ([path, tmp_path / "." / "x.csv"], [tmp_path, tmp_path]):
        with pytest.raises(BadInput, match="are the same"):
            compare(pair)
    with pytest.raises(BadInput, match="compare: give two folders of results, or one or two CSV"):
        compare([])


def test_any_type_of_number_is_a_number(tmp_path):
    log = write(tmp_path / "x.csv", RATIOS)
    for claimed in (np.float32(2.0), Fraction(4, 2), np.int64(2)):
        assert compare([log], claimed=claimed) == compare([log], claimed=2.0)


def test_blank_cells_and_lines_are_as_empty_ones(tmp_path):
    text = "arm,seed,value\na,0,1\n  \n,,\n \t,1,3\na,1,2\n"
    (row,) = compare([write(tmp_path / "x.csv", text)])
    assert (row.baseline, row.variant, row.delta) == ("a", "x", 1.5)


def test_two_files_of_one_name_are_two_arms(tmp_path):
    for name, value in (("old", 1), ("new", 3)):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "acc.csv", f"value\n{value}\n")
    (row,) = compare([tmp_path / name / "acc.csv" for name in ("old", "new")])
    assert (row.baseline, row.variant) == tuple(
        str(tmp_path / name / "acc.csv") for name in ("old", "new")
    )
    assert row.delta == 2


def test_names_are_escaped_in_markdown_and_in_json(tmp_path):
    text = RATIOS.replace("b,", "<img src=x>|[y](z)\x9b2J,")
    rows = compare([write(tmp_path / "x.csv", text)])
    assert "\\<img src=x>\\|[y\\](z)\\x9b2J vs a" in to_markdown(rows)
    assert to_json(rows).isascii()
    assert json.loads(to_json(rows))[0]["variant"].endswith("\x9b2J")


def test_a_claimed_delta_is_for_differences_and_times_of_folders_have_none(tmp_path):
    before = write_records(with_delta(0), tmp_path / "old" / "lrn" / "laptop")
    after = write_records(with_delta(-5), tmp_path / "new" / "lrn" / "laptop")
    rows = compare([before, after], claimed=-5)
    assert {row.verdict for row in rows if row.ratio} <= {"open", "lower", "higher"}
    both = {row.metric: row for row in rows if row.variant.startswith("both")}
    assert both["test_error"].verdict == "reproduced"
    marked = {row.metric: len(rows.in_forest(row).marks) for row in both.values()}
    assert {name: marks == 1 for name, marks in marked.items()} == {
        name: row.ratio for name, row in both.items()
    }
    assert {row.ratio for row in both.values()} == {True, False}


def test_folders_of_different_data_are_refused(tmp_path):
    letters = write_records(with_delta(-1.4), tmp_path / "lrn" / "laptop")
    other = [whole(replace(run, data=run.data | {"sha256": "cd" * 32})) for run in with_delta(-1.4)]
    others = write_records(other, tmp_path / "copy" / "lrn" / "laptop")
    with pytest.raises(BadInput, match="are of different data"):
        compare([letters, others])


def test_a_fifo_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.csv")
    with pytest.raises(BadInput, match="it is a FIFO, not a regular file"):
        compare([tmp_path / "x.csv"])


def test_one_value_an_arm_has_no_interval_and_json_has_no_nan(tmp_path):
    rows = compare([write(tmp_path / "x.csv", "arm,value\na,1\nb,3\n")])
    (told,) = json.loads(to_json(rows))
    assert (told["delta"], told["ci_low"], told["verdict"]) == (2, None, "open")
    assert "[n = 1]" in readable(rows).rows[0][3]


def test_two_folders_of_results_are_compared_variant_by_variant(tmp_path):
    before = write_records(with_delta(0), tmp_path / "old" / "lrn" / "laptop")
    after = write_records(with_delta(-5), tmp_path / "new" / "lrn" / "laptop")
    rows = compare([before, after])
    found = {(row.variant.split()[0], row.metric): row for row in rows}
    both = found["both", "test_error"]
    assert (both.how, both.n_variant, both.delta) == ("paired", 6, pytest.approx(-5))
    assert both.verdict == "lower"
    assert (found["none", "test_error"].delta, found["none", "test_error"].verdict) == (0, "open")
    assert compare([tmp_path / "old", tmp_path / "new"]) == [
        row.__class__(
            **vars(row)
            | {
                "baseline": row.baseline.replace(str(before), str(tmp_path / "old")),
                "variant": row.variant.replace(str(after), str(tmp_path / "new")),
            }
        )
        for row in rows
    ]


def test_a_folder_is_named_by_dots(tmp_path, monkeypatch):
    before = write_records(with_delta(0), tmp_path / "old" / "lrn" / "laptop")
    after = write_records(with_delta(-5), tmp_path / "new" / "lrn" / "laptop")
    monkeypatch.chdir(before / "runs")
    rows = compare([Path(".."), after])
    assert {row.baseline.partition(" in ")[2] for row in rows} == {".."}
    assert rows == [
        replace(row, baseline=row.baseline.replace(str(before), ".."))
        for row in compare([before, after])
    ]


def test_the_command_prints_a_table_json_or_markdown(tmp_path):
    log = write(tmp_path / "x.csv", "arm,seed,value\na,0,1\na,1,2\nb,0,2\nb,1,2.5\n")
    command = [sys.executable, "-m", "alexbench", "compare", str(log)]
    for option, start in (([], "\nVariant"), (["--json"], "["), (["--markdown"], "| verdict")):
        done = subprocess.run([*command, *option], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(start)
        assert "b" in done.stdout


def test_a_comparison_is_drawn_with_a_panel_a_metric(tmp_path):
    text = "arm,seed,value,metric\na,0,1,loss\na,1,2,loss\nb,0,3,loss\nb,1,4.5,loss\n"
    text += "a,0,10,error\na,1,20,error\nb,0,11,error\nb,1,22,error\n"
    compared = alexbench.compare(write(tmp_path / "x.csv", text), claimed=2.0)
    loss, error = compared.plot().axes
    assert (loss.get_xlabel(), error.get_xlabel()) == (
        "loss, variant minus baseline",
        "error, variant minus baseline",
    )
    measured = [line for line in loss.lines if 2.25 in line.get_xdata()]  # of 2 and 2.5
    ends = {round(float(end), 6) for line in measured for end in line.get_xdata()}
    assert ends == {2.25, round(compared[0].ci_low, 6), round(compared[0].ci_high, 6)}
    assert 2.0 in [float(line.get_xdata()[0]) for line in loss.lines]  # the claim
    assert "paired, n 2" in [each.get_text() for each in loss.texts]
    assert compared.table["delta"].tolist() == [2.25, 1.5]
    assert "b vs a" in compared._repr_html_()


def test_ratios_are_drawn_on_a_logarithmic_axis(tmp_path):
    (axes,) = alexbench.compare(write(tmp_path / "x.csv", RATIOS), ratio=True).plot().axes
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "value, variant / baseline")


def test_plain_numbers_have_no_curves(tmp_path):
    with pytest.raises(BadInput, match="plot: 'curves': a comparison of plain numbers has a for"):
        alexbench.compare(write(tmp_path / "x.csv", RATIOS)).plot("curves")


def test_a_table_for_a_notebook_is_escaped(tmp_path):
    text = RATIOS.replace("b,", "<b>,")
    assert "&lt;b&gt; vs a" in alexbench.compare(write(tmp_path / "x.csv", text))._repr_html_()


def test_the_command_line_compares_with_a_target(tmp_path):
    path = write(tmp_path / "x.csv", "value\n3\n4\n5\n")
    told = CliRunner().invoke(app, ["compare", str(path), "--target", "2", "--json"])
    (row,) = json.loads(told.stdout)
    assert (row["how"], row["baseline"], row["delta"]) == ("target", "2", 2)
