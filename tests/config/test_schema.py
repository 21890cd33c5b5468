"""The schema: every key says what it means."""

import pytest
from pydantic import Field

from alexbench.config import ablation_file, schema
from alexbench.config.ablation_file import AblationFile, ProfileFile
from alexbench.config.schema import Config, Section

SECTIONS = [
    section
    for module in (schema, ablation_file)
    for section in vars(module).values()
    if isinstance(section, type) and section.__module__ == module.__name__
    if issubclass(section, Section) and section is not Section
]


def undescribed(section: type[Section]) -> list[str]:
    """The keys of a section whose description is missing, or no sentence."""
    return [
        name
        for name, key in section.model_fields.items()
        if not (key.description or "").endswith(".") or len(str(key.description)) < 10
    ]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_key_has_a_description(section):
    assert undescribed(section) == []


def test_a_key_without_a_description_is_found():
    class Bare(Section):
        bare: int = 1
        told: int = Field(default=1, description="The number of told things.")

    assert undescribed(Bare) == ["bare"]


def test_all_sections_of_a_run_and_of_a_file_are_looked_at():
    assert {Config, AblationFile, ProfileFile} <= set(SECTIONS)
    assert {key.annotation for key in Config.model_fields.values()} <= set(SECTIONS)
