"""The pages in a real browser: quiet, self-contained, sortable, readable on a phone."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alexbench.config import references
from alexbench.config.load import load_ablation
from alexbench.report import build, index
from alexbench.runs import pictures, record
from tests.browser import Page, chromium, needs_chromium
from tests.records import CIFAR10, GLYPHS, Question, make, use

pytestmark = needs_chromium

NASTY = "<script>document.title='owned'</script>"
CLASSES = [NASTY, "a & b", '"quoted"', *[chr(68 + i) for i in range(23)]]
DATA = GLYPHS | {"classes": CLASSES}
LONG = "laptop,data.test_images=260,data.train_images=520,train.epochs=2"
RESULTS = Path(__file__).parents[2] / "results"
VARIANTS = ("none", "conv1", "both")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder of two ablations, one of them with everything that a page can show."""
    results = tmp_path_factory.mktemp("results")
    question = Question(
        variants={name: {} for name in VARIANTS},
        metrics=("test_error", "epoch_seconds"),
        claims={"lrn": (use("both", control="conv1"),), "vgg_lrn": (use("both"),)},
        finding="Both layers raise the error.",
    )
    fill(question, results / "lrn" / "laptop")
    two_gpu = Question(
        name="two_gpu",
        title="Two columns",
        variants={"none": {}, "both": {}},
        claims={"two_gpu": (use("both"),)},
    )
    fill(two_gpu, results / "two_gpu" / LONG, data=CIFAR10)
    build.write_index(results)
    return results


def fill(question: Question, folder: Path, data: dict[str, object] = DATA) -> None:
    """Write records and pictures of every variant, and the report."""
    rng = np.random.default_rng(1)
    size, ids = len(data["classes"]), dict[tuple[str, int], str]()  # type: ignore[arg-type]
    for place, variant in enumerate(question.variants):
        for seed in range(4):
            errors = 20 + 40 * 0.7 ** np.arange(8) + 2 * place + rng.normal(0, 0.3, 8)
            run = make(
                variant,
                seed,
                errors.round(2).tolist(),
                data=data,
                ablation=question.name,
                seconds=2 + 0.1 * place,
                confusion=(np.eye(size, dtype=int) * 15 + 1).tolist(),
            )
            run = replace(run, tuned={"train.lr": 0.01})
            record.write(run, folder / "runs" / f"{variant}-{seed}.json")
            ids[variant, seed] = run.run_id
            for lr in (0.005, 0.01, 0.02):
                tried = make(
                    variant,
                    100 + seed,
                    errors.tolist(),
                    data=data,
                    lr=lr,
                    purpose="tune",
                    ablation=question.name,
                )
                record.write(tried, folder / "tuning" / f"{variant}-{seed}-{lr}.json")
    images = rng.integers(0, 255, (6, 32, 32, 3)).astype(np.uint8)
    shown = pictures.examples(
        images, range(6), rng.dirichlet(np.ones(size), 6), list(map(str, data["classes"]))
    )
    near = pictures.neighbours(images, range(6), rng.random(6).tolist(), list(data["classes"]))  # type: ignore[call-overload]
    shown = [replace(each, neighbours=near) for each in shown]
    kernels = pictures.kernels_to_png(rng.normal(0, 1, (8, 3, 5, 5)))
    pictures.write(
        pictures.Pictures(ids["none", 0], "none", 0, kernels, shown, 1000), folder, "embedded"
    )
    build.write(question, question.profile, folder)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("chromium")) as page:
        yield page


PAGES = ("index.html", "lrn/laptop/report.html", f"two_gpu/{LONG}/report.html")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_quiet_and_asks_for_nothing_but_itself(
    browser: Page, results: Path, name: str
) -> None:
    browser.open(results / name)
    assert browser.complaints() == []
    itself, *others = browser.requests()
    assert itself == (results / name).as_uri()
    assert [url for url in others if not url.startswith("data:")] == []


@pytest.mark.parametrize("width", [390, 820, 1400])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_never_scrolls_sideways(browser: Page, results: Path, name: str, width: int) -> None:
    browser.open(results / name, width)
    browser.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert browser.evaluate("innerWidth") == width
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


VERDICTS = """[...document.querySelectorAll('.verdict')].filter((v) => v.getClientRects().length)
  .map((v) => v.getBoundingClientRect()).filter((r) => r.left < 0 || r.right > innerWidth).length"""


@pytest.mark.parametrize("width", [390, 820, 1400])
@pytest.mark.parametrize("name", PAGES)
def test_no_verdict_lies_outside_of_the_window(
    browser: Page, results: Path, name: str, width: int
) -> None:
    browser.open(results / name, width)
    browser.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert browser.evaluate("document.querySelectorAll('.verdict').length") > 5
    assert browser.evaluate(VERDICTS) == 0


def test_the_first_window_of_a_page_has_the_finding_the_verdict_and_the_figures(
    browser: Page, tmp_path: Path
) -> None:
    ablation = load_ablation("lrn", "cifar10-short")
    for kind in ("runs", "tuning"):
        (tmp_path / kind).symlink_to(RESULTS / "lrn" / "cifar10-short" / kind)
    build.write(ablation, "cifar10-short", tmp_path, formats=["html"])
    browser.open(tmp_path / "report.html")
    for selector in (".question", ".finding", ".verdicts", "#forest svg", "#rates svg"):
        box = f"document.querySelector('{selector}').getBoundingClientRect()"
        assert browser.evaluate(f"{box}.top") > 0
        assert browser.evaluate(f"{box}.bottom") <= 900, selector


def test_the_first_window_of_the_index_has_the_tally_and_twelve_claims(
    browser: Page, tmp_path: Path
) -> None:
    text = index.render(RESULTS, build.read_tables(RESULTS))
    (tmp_path / "index.html").write_text(text, encoding="utf-8")
    browser.open(tmp_path / "index.html")
    assert browser.evaluate("document.querySelector('.tally').getBoundingClientRect().top") > 0
    above = (
        "[...document.querySelectorAll('.panel-1 svg text')]"
        ".filter((t) => t.getBoundingClientRect().bottom <= 900).map((t) => t.textContent)"
    )
    assert len({*references.claim_ids()} & {*browser.evaluate(above)}) >= 12


def test_a_check_box_hides_an_arm_of_the_curves(browser: Page, results: Path) -> None:
    browser.open(results / PAGES[1])
    seen = (
        "[...document.querySelectorAll('[id^=curves-arm1-]')]"
        ".map((e) => getComputedStyle(e).display)"
    )
    assert "none" not in browser.evaluate(seen)
    browser.evaluate("document.querySelector('#show-1').click()")
    assert set(browser.evaluate(seen)) == {"none"}


def test_the_index_switches_profiles_without_a_script(browser: Page, results: Path) -> None:
    browser.open(results / "index.html")
    shown = "[...document.querySelectorAll('.panel')].map((e) => getComputedStyle(e).display)"
    assert browser.evaluate(shown) == ["block", "none"]
    browser.evaluate("document.querySelector('#of-2').click()")
    assert browser.evaluate(shown) == ["none", "block"]


@pytest.mark.parametrize("name", PAGES)
def test_a_printed_page_has_its_folds_open_and_is_not_cut(
    browser: Page, results: Path, name: str
) -> None:
    browser.open(results / name, 718)  # A4 less its margins, at 96 pixels an inch
    browser.send("Emulation.setEmulatedMedia", media="print")
    assert browser.evaluate("document.documentElement.scrollWidth") <= 718
    assert browser.evaluate(VERDICTS) == 0
    tables = "[...document.querySelectorAll('details:not(.screen) table')]"
    hidden = f"{tables}.filter((t) => !t.checkVisibility())"
    assert browser.evaluate(f"{hidden}.length") == 0
    browser.send("Emulation.setEmulatedMedia", media="")


def test_the_index_links_to_every_ablation(browser: Page, results: Path) -> None:
    browser.open(results / "index.html")
    links = set(browser.evaluate("[...document.querySelectorAll('main a')].map((a) => a.href)"))
    pages = {path.as_uri() for path in results.glob("*/*/report.html")}
    assert len(pages) == 2
    assert {page.replace(",", "%2C").replace("=", "%3D") for page in pages} <= links


def test_a_page_links_back_to_the_index(browser: Page, results: Path) -> None:
    browser.open(results / PAGES[1])
    assert (
        browser.evaluate("document.querySelector('nav a').href")
        == (results / "index.html").as_uri()
    )


TABLE = """[...document.querySelectorAll("table.sortable")]
  .find((t) => t.caption.textContent.startsWith("{}"))"""
COLUMN = """(() => {{
  const table = {0};
  const at = [...table.tHead.rows[0].cells].findIndex((c) => c.textContent.startsWith("measured"));
  return [...table.tBodies[0].rows].map((row) => row.cells[at].dataset.value);
}})()"""
BUTTON = '[...{}.querySelectorAll("button")].find((b) => b.textContent.startsWith("measured"))'
CLAIMS = TABLE.format("Claims and their controls")
EVERY_ROW = TABLE.format("One row a claim")


def test_a_table_sorts_by_number_and_back(browser: Page, results: Path) -> None:
    browser.open(results / PAGES[1])
    unsorted = list(map(float, browser.evaluate(COLUMN.format(CLAIMS))))
    browser.evaluate(f"{BUTTON.format(CLAIMS)}.click()")
    assert list(map(float, browser.evaluate(COLUMN.format(CLAIMS)))) == sorted(unsorted) != unsorted
    assert browser.evaluate(f"{BUTTON.format(CLAIMS)}.parentNode.ariaSort") == "ascending"
    browser.evaluate(f"{BUTTON.format(CLAIMS)}.click()")
    assert list(map(float, browser.evaluate(COLUMN.format(CLAIMS)))) == sorted(
        unsorted, reverse=True
    )
    assert browser.evaluate(f"{BUTTON.format(CLAIMS)}.parentNode.ariaSort") == "descending"


def test_a_table_sorts_by_keyboard(browser: Page, results: Path) -> None:
    browser.open(results / PAGES[1])
    unsorted = list(map(float, browser.evaluate(COLUMN.format(CLAIMS))))
    browser.evaluate(f"{BUTTON.format(CLAIMS)}.focus()")
    browser.press("Enter", 13)
    assert list(map(float, browser.evaluate(COLUMN.format(CLAIMS)))) == sorted(unsorted)


def test_rows_without_a_number_sort_to_the_end_both_ways(browser: Page, results: Path) -> None:
    browser.open(results / "index.html")
    for _ in range(2):
        browser.evaluate(f"{BUTTON.format(EVERY_ROW)}.click()")
        values = browser.evaluate(COLUMN.format(EVERY_ROW))
        assert values[0] not in ("", None)
        assert values[-1] in ("", None)


def test_the_keyboard_reaches_the_content_first_and_every_wide_table(
    browser: Page, results: Path
) -> None:
    browser.open(results / PAGES[1])
    browser.press("Tab", 9)
    assert browser.evaluate("document.activeElement.getAttribute('href')") == "#main"
    wide = "[...document.querySelectorAll('table')].map((t) => t.closest('.scroll').tabIndex)"
    assert set(browser.evaluate(wide)) == {0}


@pytest.mark.parametrize("name", PAGES)
def test_every_picture_has_a_text_alternative(browser: Page, results: Path, name: str) -> None:
    browser.open(results / name)
    texts = browser.evaluate(
        "[...document.querySelectorAll('svg')].map((s) => s.getAttribute('aria-label'))"
        ".concat([...document.querySelectorAll('img')].map((i) => i.alt))"
    )
    assert all(texts)
    if name != "index.html":
        assert len(texts) > 10


def test_ids_are_unique_on_a_page(browser: Page, results: Path) -> None:
    browser.open(results / PAGES[1])
    ids = browser.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids)) > 20


def test_a_class_called_script_shows_as_text(browser: Page, results: Path) -> None:
    browser.open(results / PAGES[1])
    assert browser.evaluate("document.title").startswith("Local response normalization")
    assert browser.evaluate("document.querySelectorAll('script').length") == 1
    cells = browser.evaluate("[...document.querySelectorAll('td')].map((c) => c.textContent)")
    assert set(CLASSES[:3]) <= set(cells)


def test_the_page_follows_the_readers_light_or_dark(browser: Page, results: Path) -> None:
    grounds = []
    for dark in (False, True):
        browser.open(results / PAGES[1], dark=dark)
        colour = "getComputedStyle(document.{}).{}"
        ground = browser.evaluate(colour.format("body", "backgroundColor"))
        ink = browser.evaluate(colour.format("querySelector('figure svg text')", "fill"))
        verdicts = browser.evaluate(
            "[...document.querySelectorAll('.verdict, .soft, a')].map((e) => "
            "getComputedStyle(e).color)"
        )
        assert min(contrast(ground, text) for text in [ink, *verdicts]) > 4.5
        words = browser.evaluate(
            "[...document.querySelectorAll('figure svg text')].map((e) => getComputedStyle(e).fill)"
        )
        assert min(contrast(ground, text) for text in words) > 4.5
        lines = browser.evaluate(
            "[...document.querySelectorAll('figure svg path')].map((e) => getComputedStyle(e))"
            ".filter((s) => s.strokeOpacity == 1 && s.opacity == 1).map((s) => s.stroke)"
            ".filter((c) => c.startsWith('rgb'))"
        )
        assert min(contrast(ground, line) for line in lines) > 3
        grounds.append(ground)
    assert grounds[0] != grounds[1]


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.1."""
    bright, dim = sorted(map(luminance, (one, other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def luminance(colour: str) -> float:
    shares = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_test_images_are_shown_with_their_nearest_training_images(
    browser: Page, results: Path
) -> None:
    browser.open(results / PAGES[1])
    assert browser.evaluate("document.querySelectorAll('.examples .near').length") == 6
    assert browser.evaluate("document.querySelector('.near').children.length") == 6
    text = browser.evaluate("document.querySelector('.near').parentElement.textContent")
    assert '"quoted"' in text  # the class of a neighbour, beside the picture
    page = browser.evaluate("document.body.textContent")
    assert "of 1,000 looked at" in page
