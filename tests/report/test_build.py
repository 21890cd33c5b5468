"""From records on disk to files: the same bytes, in every form, whatever lies between them."""

import dataclasses
import html as html_lib
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alexbench.analysis.comparison import comparison
from alexbench.config import metrics, own_files, references
from alexbench.config.load import load_ablation
from alexbench.config.shipped import shipped_ablations
from alexbench.errors import BadInput
from alexbench.report import build, csv_files, curves, figures, index, latex
from alexbench.report.text import headline, sentence, size
from alexbench.runs import asked_with, record
from tests.records import (
    GLYPHS,
    LRN,
    MACHINE,
    Question,
    make,
    whole,
    with_delta,
    write_records,
)

# Files.


def test_a_report_is_tables_text_and_a_figure(tmp_path: Path) -> None:
    folder = write_records(with_delta(-1.4), tmp_path)
    paths, _ = build.write(LRN, "laptop", folder)
    names = {path.name for path in paths}
    tables = {"summary.csv", "comparison.csv", "arms.csv", "runs.csv", "history.csv"}
    figures = {f"{name}.{form}" for name in ("forest", "curves") for form in ("svg", "pdf", "png")}
    assert names == tables | figures | {"report.md", "report.tex", "report.html"}
    assert all(path.is_file() for path in paths)
    back = pd.read_csv(folder / "comparison.csv")
    assert back["delta"][0] == pytest.approx(-1.4)


def test_markdown_tells_question_verdict_data_and_learning_rates(tmp_path: Path) -> None:
    tuned = [
        dataclasses.replace(
            r,
            tuned={"train.lr": rate},
            config=r.config | {"train": r.config["train"] | {"lr": rate}},
        )
        for r in with_delta(-1.4)
        for rate in [0.02 if r.variant == "none" else 0.05]
    ]
    build.write(LRN, "laptop", write_records(tuned, tmp_path))
    text = (tmp_path / "report.md").read_text()
    assert text.startswith("# Local response normalization\n\nDoes local response")
    assert "**reproduced**: lrn, both against none." in text
    assert "-1.40 (SE 0.31) points, one run an arm, on ImageNet" in text
    assert "The claim was made on ImageNet; it was measured here on glyphs." in text
    assert "Data: glyphs (embedded), 26 classes, 1,000 training and 500 test images" in text
    assert "train.lr 0.02" in text
    assert "train.lr 0.05" in text
    assert "| reproduced, at one rate " in text
    assert "| -1.40 ± 0.31 (notebook -1.37) " in text
    assert "Other data: measured on glyphs; the claims are about ImageNet" in text


def test_an_inconclusive_verdict_says_how_many_seeds_it_would_take() -> None:
    (row,) = comparison(LRN, "laptop", with_delta(0.1, 9.0))
    seeds = int(row.seeds_to_settle)
    assert seeds > 6
    assert f"About {seeds} seeds would give 80% power" in sentence(row)


def test_a_number_is_rounded_alike_before_it_is_written_and_after_it_is_read() -> None:
    measured = 12.5875 - 14.8125 + 1e-15  # a hair above -2.225, which is what the CSV says
    assert size("difference", measured) == size("difference", -2.225) == "-2.23"


def test_an_interval_that_holm_takes_back_is_explained() -> None:
    (row,) = comparison(LRN, "laptop", with_delta(-1.4))
    taken_back = dataclasses.replace(row, verdict="inconclusive")
    assert "not after Holm's adjustment" in sentence(taken_back)


def test_the_same_records_give_the_same_bytes_in_any_folder_and_order(tmp_path: Path) -> None:
    records = with_delta(-1.4)
    first = write_records(records, tmp_path / "first")
    second = write_records(records[::-1], tmp_path / "second")
    (first / "runs" / "z.json").write_text("{")
    (second / "runs" / "z.json").write_text("{")
    for folder in (first, second):
        build.write(LRN, "laptop", folder)
    for path in (p for p in first.iterdir() if p.is_file()):
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_a_bad_record_is_named_and_the_others_make_their_report(tmp_path: Path) -> None:
    folder = write_records(with_delta(-1.4), tmp_path)
    (folder / "runs" / "none-0.json").write_text("{")
    heard: list[str] = []
    build.write(LRN, "laptop", folder, heard.append)
    assert heard == [
        f"{folder / 'runs' / 'none-0.json'}: is not a whole record (truncated?); delete it"
    ]
    text = (folder / "report.md").read_text()
    assert "## Left out\n\n- runs/none-0.json: is not a whole record" in text
    assert pd.read_csv(folder / "comparison.csv")["num_pairs"][0] == 5


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"ablation": "pooling"}, "is a record of ablation 'pooling', not 'lrn'"),
        ({"variant": "neither"}, "its variant 'neither' is not in ablations/lrn.yaml"),
        ({"data": GLYPHS | {"sha256": "cd" * 32}}, "used other data"),
        ({"profile": "cifar10"}, "is a record of profile 'cifar10', not 'laptop'"),
        ({"config": make("none", lr=9.0, epochs=2).config}, "another configuration"),
    ],
)
def test_a_record_that_does_not_belong_is_refused(
    tmp_path: Path, change: dict[str, object], complaint: str
) -> None:
    records = with_delta(-1.4)
    records[0] = dataclasses.replace(records[0], **change)
    folder = write_records(records, tmp_path)
    kept, refusals = build.read(LRN, folder)
    assert len(kept) == 11
    assert len(refusals) == 1
    assert complaint in refusals[0]


def test_no_record_at_all_is_bad_input_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match=r"holds no usable record; make some with `alexbench run lrn`"
    ):
        build.write(LRN, "laptop", tmp_path)


def test_the_headline_fits_the_shipped_ablations() -> None:
    for name in shipped_ablations():
        ablation = load_ablation(name)
        records = [make(v, s, ablation=name) for v in ablation.variants for s in range(2)]
        rows = comparison(ablation, "laptop", records)
        assert len(headline(rows).rows) == len(rows)
        assert len({(r.claim, r.metric, r.baseline, r.variant) for r in rows}) == len(rows)


# Other forms.


def test_latex_has_the_rules_of_booktabs_and_escapes_what_it_prints(tmp_path: Path) -> None:
    build.write(LRN, "laptop", write_records(with_delta(-1.4), tmp_path), formats=["latex"])
    text = (tmp_path / "report.tex").read_text()
    assert [rule for rule in re.findall(r"\\(\w+rule|hline)", text)] == [
        "toprule",
        "midrule",
        "bottomrule",
    ]
    assert r"reproduced, at one rate & lrn: both vs none, test error & $-$1.40 [" in text
    assert r"& $-$1.40 $\pm$ 0.31 (notebook $-$1.37) & 6 \\" in text
    assert r"measured [95\% CI]" in text
    assert text.count("{") == text.count("}")
    for line in text.splitlines()[1:]:
        assert "%" not in line.replace(r"\%", "")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="skipped: no pdflatex")
def test_latex_fits_one_column_of_a_page_of_two(tmp_path: Path) -> None:
    build.write(LRN, "laptop", write_records(with_delta(-1.4), tmp_path), formats=["latex"])
    (tmp_path / "page.tex").write_text(
        r"\documentclass[twocolumn]{article}\usepackage{booktabs,tabularx}"
        r"\begin{document}\input{report.tex}\end{document}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "Overfull" not in done.stdout


def test_latex_prints_every_special_character_as_itself() -> None:
    assert latex.escape(r"a_b & 5% {x} \n #1 $ ~ ^") == (
        r"a\_b \& 5\% \{x\} \textbackslash{}n \#1 \$ \textasciitilde{} \^{}"
    )


def test_only_the_formats_that_were_asked_for_are_written(tmp_path: Path) -> None:
    write_records(with_delta(-1.4), tmp_path)
    files = {
        "csv": {"summary.csv", "comparison.csv", "arms.csv", "runs.csv", "history.csv"},
        "markdown": {"report.md"}
        | {f"{name}.{form}" for name in ("forest", "curves") for form in ("svg", "pdf", "png")},
        "latex": {"report.tex"},
        "html": {"report.html"},
    }
    assert set(files) == set(build.FORMATS)
    for name, expected in files.items():
        assert {p.name for p in build.write(LRN, "laptop", tmp_path, formats=[name])[0]} == expected


def test_the_page_holds_everything_and_reaches_for_nothing(tmp_path: Path) -> None:
    folder = write_records(
        [dataclasses.replace(r, confusion=[[9] * 26] * 26) for r in with_delta(-1.4)], tmp_path
    )
    build.write(LRN, "laptop", folder)
    text = (folder / "report.html").read_text()
    assert "reproduced (on glyphs, at one rate)" in text
    assert text.count("<svg") == 5  # curves, dots, forest, a confusion matrix a variant
    beside = r"[a-z]+\.(csv|md|tex)\""
    assert not re.search(
        rf'\b(src|href)="(?!data:|#|https?:|{beside}|\.\./\.\./index\.html")', text
    )
    assert not re.search(r'<(script|link|img|iframe)[^>]*(src|href)="(?!data:)', text)
    assert "ab" * 32 in text  # the data's SHA-256
    assert MACHINE["commit"] in text


def test_what_a_class_is_called_cannot_break_the_page(tmp_path: Path) -> None:
    nasty = "<script>alert('x')</script>"
    data = GLYPHS | {"classes": [nasty, *GLYPHS["classes"][1:]]}
    records = [
        dataclasses.replace(r, data=data, confusion=[[9] * 26] * 26) for r in with_delta(-1.4)
    ]
    build.write(LRN, "laptop", write_records(records, tmp_path))
    text = (tmp_path / "report.html").read_text()
    assert nasty not in text
    assert text.count("<script") == 1
    assert "&lt;script&gt;" in text


def index_of(results: Path) -> str:
    """The text of the index page of a folder of results."""
    return build.write_index(results, ["html"])[-1].read_text()


def test_the_index_has_every_claim_and_a_link_to_every_page(tmp_path: Path) -> None:
    write_records(with_delta(-1.4), tmp_path / "lrn" / "laptop")
    write_records(with_delta(-1.4), tmp_path / "lrn" / "laptop,train.epochs=1")
    for folder in sorted((tmp_path / "lrn").iterdir()):
        build.write(LRN, folder.name, folder)
    text = index_of(tmp_path)
    for claim in references.claim_ids():
        assert f">{claim}<" in text
    assert 'href="lrn/laptop/report.html"' in text
    assert 'href="lrn/laptop%2Ctrain.epochs%3D1/report.html"' in text
    assert text.count(">not measured yet<") == 2 * (len(references.claim_ids()) - 1)
    assert "1 reproduced</span>" in text


def test_an_ablation_without_claims_has_its_place_in_the_index_too(tmp_path: Path) -> None:
    folder = write_records(with_delta(-1.4), tmp_path / "lrn" / "laptop")
    build.write(Question(), "laptop", folder)
    assert "lrn, profile laptop" in index_of(tmp_path)


def test_a_table_of_another_version_is_named_and_the_index_is_made(tmp_path: Path) -> None:
    (tmp_path / "lrn" / "laptop").mkdir(parents=True)
    (tmp_path / "lrn" / "laptop" / "comparison.csv").write_text("claim,delta\nlrn,1\n")
    folder = write_records(with_delta(-1.4), tmp_path / "lrn" / "cifar10-short")
    build.write(LRN, "laptop", folder)
    heard: list[str] = []
    build.write_index(tmp_path, tell=heard.append)
    assert len(heard) == 1
    assert "laptop/comparison.csv: is of another alexbench; make it again with" in heard[0]
    assert "reproduced" in (tmp_path / "index.html").read_text()


def test_an_index_over_nothing_says_that_nothing_was_measured(tmp_path: Path) -> None:
    text = index_of(tmp_path)
    assert text.count(">not measured yet<") == 2 * len(references.claim_ids())


WITHOUT_TORCH = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
from pathlib import Path
from alexbench.config.load import load_ablation
from alexbench.report import build
build.write(load_ablation("lrn"), "laptop", Path(sys.argv[1]))
"""


@pytest.mark.timing
def test_two_hundred_runs_are_reported_in_twice_the_time_of_six_without_torch(
    tmp_path: Path,
) -> None:
    variants = list(load_ablation("lrn").variants)
    errors = np.linspace(80, 25, 20)
    seconds = {}
    for seeds in (1, 40):
        folder = tmp_path / str(seeds)
        folder.mkdir()
        records = [
            make(variant, seed, (errors + (7 * seed) % 5).tolist(), confusion=[[9] * 26] * 26)
            for variant in variants
            for seed in range(seeds)
        ]
        write_records(records, folder)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", WITHOUT_TORCH, str(folder)], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds[seeds] = after.ru_utime - before.ru_utime  # of the processor: others may be busy
        assert (folder / "comparison.csv").is_file()
    assert seconds[40] < 2 * seconds[1]  # the processor's rate is in both


def test_a_finding_stands_in_every_report_of_its_profile_and_in_no_other(tmp_path: Path) -> None:
    asked = dataclasses.replace(LRN, finding="LRN helps a little.")
    folder = write_records(with_delta(-1.4), tmp_path)
    for profile, found in (("laptop", True), ("laptop,train.epochs=1", False)):
        build.write(asked, profile, folder)
        for name in ("report.md", "report.tex", "report.html"):
            assert ("LRN helps a little." in (folder / name).read_text()) == found


@pytest.mark.parametrize(
    ("own", "asked"), [(False, "lrn --profile laptop"), (True, "lrn.yaml --profile laptop.yaml")]
)
def test_the_page_says_the_command_that_makes_its_runs_again(
    tmp_path: Path, own: bool, asked: str
) -> None:
    settings = {"train.lr_drop_epochs": [3, 5], "data.mean": "none"}
    folder = tmp_path / asked_with.folder_name("laptop", settings)
    write_records(with_delta(-1.4), folder)
    asked_with.write(settings, folder)
    names = (own_files.ablation("lrn"), own_files.profile("laptop")) if own else ()
    ablation = dataclasses.replace(LRN, files=dict.fromkeys(names, "title: <T>"))
    build.write(ablation, "laptop", folder)
    text = html_lib.unescape((folder / "report.html").read_text())
    said = f"alexbench run {asked} --seeds 6 --set 'train.lr_drop_epochs=[3, 5]' --set"
    assert f"{said} 'data.mean=\"none\"'" in text
    assert ("title: <T>" in text) == own


def test_the_dots_of_a_claim_are_the_runs_that_were_judged(tmp_path: Path) -> None:
    """The error is least between 0.01 and 0.0141, nearer to the second, which is not the lowest."""
    curve = {
        0.00707: [33.0, 33.2, 33.4],
        0.01: [29.6, 30.0, 30.6],
        0.0141: [30.2, 30.4, 30.6],
        0.02: [30.8, 31.0, 31.2],
    }
    records = [
        whole(make(name, seed, (80.0, error), lr=rate))
        for name in ("none", "both")
        for rate, errors in curve.items()
        for seed, error in enumerate(errors)
    ]
    for each in records:
        record.write(each, tmp_path / "runs" / f"{each.run_id[:10]}.json")
    asked = dataclasses.replace(LRN, tune_neighbours=1)
    _, (row, *_) = build.write(asked, "laptop", tmp_path)
    assert (row.baseline_lr, row.variant_lr) == (0.0141, 0.0141)
    (back, *_) = csv_files.read_comparison(tmp_path / "comparison.csv")
    dots = index.paired(tmp_path, back)
    expected = dict(enumerate(curve[0.0141]))
    figure = curves.paired(expected, expected, ("none", "both"), metrics.METRICS[row.metric])
    assert dots is not None
    assert markers_of(figures.to_svg(figure)) == markers_of(dots)


def markers_of(svg: str) -> list[tuple[str, str]]:
    """The coordinates of every line and marker."""
    return sorted(re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"', svg))
