"""The examples do what they say: files load, and the notebook runs from end to end."""

import os
from pathlib import Path

import pytest

from alexbench.config import references
from alexbench.config.load import load_ablation

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_another_papers_table_is_a_file_with_its_own_claim():
    ablation = load_ablation(str(EXAMPLES / "dropout_2014.yaml"), "cifar10-short")
    effect = references.claim("dropout_2014:fc_dropout").effect(
        "test_error", ("no_dropout", "dropout")
    )
    assert ablation.claims["dropout_2014:fc_dropout"][0].variant == "dropout"
    assert effect.size == pytest.approx(-0.66)
    assert effect.standard_error == pytest.approx(0.50, abs=0.005)


@pytest.mark.slow  # trains 20 small nets: minutes
@pytest.mark.filterwarnings("ignore")  # of the notebook's own packages
def test_the_notebook_runs(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.read(EXAMPLES / "tour.ipynb", as_version=4)
    assert len(notebook.cells) == 10
    root = str(EXAMPLES.parent)
    client = nbclient.NotebookClient(
        notebook, timeout=1200, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute(env=os.environ | {"PYTHONPATH": root})
    text = str(notebook.cells)
    for expected in ("a_wider_net:width", "mine vs cifar4, test error", "<table>", "paired"):
        assert expected in text
    assert text.count("'image/svg+xml'") == 3  # curves, and two forests
