"""What ships, named without a schema: the same as what the schema reads from the same files."""

from alexbench.config.load import load_ablation
from alexbench.config.shipped import Outline, outlines, shipped_ablations


def test_the_outlines_are_those_of_the_validated_files():
    loaded = map(load_ablation, shipped_ablations())
    assert outlines() == [Outline(each.name, each.question, tuple(each.claims)) for each in loaded]
