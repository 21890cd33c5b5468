"""The keys of ablation, profile and regime files: what is asked, beside the settings of a run."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PositiveFloat, PositiveInt

from alexbench.config.schema import Overrides, Section

LONGEST_TEXT = 2000  # characters of what a file says
MOST_SEEDS = 1000  # of a variant: tuning's own seeds begin there
MOST_NEIGHBOURS = 3  # on either side of a tuned learning rate
Seeds = Annotated[int, Field(gt=0, le=MOST_SEEDS)]
# one "section.key" and the values to try
Grid = Annotated[
    dict[str, Annotated[list[float], Field(min_length=1, max_length=1000)]],
    Field(min_length=1, max_length=1),
]


def readable(text: str) -> str:
    """The text, if it says something, without control characters; raises ValueError."""
    if not text.replace("\n", "").isprintable() or not 0 < len(text.strip()) <= LONGEST_TEXT:
        raise ValueError(f"printable text of 1 to {LONGEST_TEXT:,} characters")
    return text


def address(text: str) -> str:
    """The text, if a page may link to it; raises ValueError."""
    if not re.fullmatch(r"https?://\S+", text):
        raise ValueError("an address that begins with https:// or http://")
    return text


Said = Annotated[str, AfterValidator(readable)]  # what reports and pages show
Address = Annotated[Said, AfterValidator(address)]


class Reported(Section):
    """What a source of one's own reports, for a claim that alexbench does not ship."""

    statement: Said = Field(description="What the source says, as half a sentence.")
    source: Said = Field(description="Authors, title, year, and the table or page.")
    link: Address | None = Field(default=None, description="Address of the source, https://...")
    data: str | None = Field(
        default=None,
        description="Data set of the source, by its id in references.yaml, e.g. cifar10.",
    )
    values: dict[str, float] = Field(
        default={}, description="Variant -> the value that the source reports for it."
    )
    delta: float | None = Field(
        default=None,
        description="Variant minus baseline, or a ratio of times, where the source has no values.",
    )
    direction: Literal["lower", "higher"] | None = Field(
        default=None, description="Direction of the effect, where the source has no number."
    )
    n: PositiveInt = Field(default=1, description="Number of runs of each arm in the source.")
    images: PositiveInt | None = Field(
        default=None,
        description="Number of test images; with the values it gives a binomial standard error.",
    )
    standard_error: PositiveFloat | None = Field(
        default=None, description="Standard error of the delta, where the source gives it."
    )


class ClaimUse(Section):
    """The comparison that tests a claim: ``variant`` minus ``baseline``, on ``metric``."""

    variant: str = Field(description="Variant that embodies the claim.")
    baseline: str | None = Field(
        default=None,
        description="Variant that it is compared with; default: the ablation's baseline.",
    )
    metric: str | None = Field(
        default=None,
        description=(
            "Metric that is compared; default: every metric that the claim gives a number for."
        ),
    )
    control: str | None = Field(
        default=None,
        description="Variant without the technique's cause: no effect is expected of it.",
    )
    reported: Reported | None = Field(
        default=None,
        description="What your own source reports; null: alexbench has the claim.",
    )


def as_uses(value: Any) -> Any:
    """A variant's name, a use, or a list of them, as a tuple of uses."""
    uses = value if isinstance(value, list) else [value]
    if not uses:
        raise ValueError("the variant that tests the claim, or several")
    return tuple({"variant": use} if isinstance(use, str) else use for use in uses)


Claims = dict[
    str,
    Annotated[
        tuple[ClaimUse, ...],
        BeforeValidator(as_uses, json_schema_input_type=str | ClaimUse | list[str | ClaimUse]),
    ],
]


class ProfilePart(Section):
    """What a profile file and an ablation's part for a profile may say."""

    seeds: Seeds | None = Field(
        default=None,
        description="Number of runs of every variant: seeds 0 .. seeds - 1.",
    )
    other_seeds: Seeds | None = Field(
        default=None,
        description="Largest number of seeds of variants that have part in no claim.",
    )
    config: Overrides = Field(
        default={},
        description='Settings of every variant: "section.key" -> value.',
    )
    tune: Grid | Literal["none"] | None = Field(
        default=None,
        description=(
            "Grid of one setting, e.g. {train.lr: [0.01, 0.02]}, of which each variant gets its "
            "best value; none needs a tune_reason."
        ),
    )
    tune_reason: Said | None = Field(default=None, description="Why nothing is tuned.")
    tune_seeds: Seeds | None = Field(
        default=None,
        description="Number of tuning seeds; they are other seeds than the measured ones.",
    )
    tuned: dict[str, Overrides] = Field(
        default={},
        description="Variant -> values that an earlier tuning chose for it.",
    )
    tune_neighbours: Annotated[int, Field(ge=0, le=MOST_NEIGHBOURS)] | None = Field(
        default=None,
        description=(
            "Number of measured rates on either side of the tuned one, sqrt(2) apart, with up to "
            "2 more while the best is at the edge; 0: the variants are compared at one rate."
        ),
    )


class RegimePart(Section):
    """The settings of a regime: ablations/regimes/<name>.yaml."""

    config: Overrides = Field(
        default={},
        description='Settings of every variant: "section.key" -> value.',
    )


class ProfileFile(ProfilePart):
    """The keys of ablations/profiles/<name>.yaml."""

    regime: str = Field(
        description="Regime of the profile where its name has none: authors, modern or paper.",
    )


class AblationPart(ProfilePart):
    """What an ablation says for one profile, or for ``<profile>-<regime>``."""

    finding: Said | None = Field(
        default=None,
        description="Two sentences on what the records of this profile say.",
    )
    only: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(),
        description="Variants that this profile has; []: all.",
    )
    baseline: str | None = Field(default=None, description="Baseline in place of the file's.")
    extra_metrics: Annotated[tuple[str, ...], Field(strict=False)] = Field(
        default=(),
        description="Metrics of this profile alone.",
    )
    variants: dict[str, Overrides] = Field(
        default={},
        description="Variant -> settings in this profile alone.",
    )
    extra_variants: dict[str, Overrides] = Field(
        default={},
        description="Variants of this profile alone: name -> settings.",
    )
    claims: Claims = Field(default={}, description="Claims that are tested in this profile alone.")


class AblationFile(ProfilePart):
    """The keys of ablations/<name>.yaml."""

    title: Said = Field(description="Title of the tables and pages.")
    question: Said = Field(description="The question, as one sentence.")
    claims: Claims = Field(
        default={},
        description=(
            "Claim id -> the variant that embodies it, or a use with variant, baseline, metric, "
            "control and, for a claim of your own, reported; or a list of these."
        ),
    )
    baseline: str = Field(description="Variant that the others are compared with.")
    metrics: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = Field(
        description="Metrics of the tables; tuning and the curves look at the first.",
    )
    variants: dict[str, Overrides] = Field(
        default={},
        description='Name -> settings that differ from the shared ones: "section.key" -> value.',
    )
    matrix: dict[str, list[Any]] = Field(
        default={},
        description="In place of variants: setting -> values; each combination is a variant.",
    )
    labels: dict[str, Said] = Field(
        default={},
        description="Variant -> its name in tables and figures.",
    )
    about: dict[str, Said] = Field(default={}, description="Variant -> one sentence on it.")
    profiles: dict[str, AblationPart] = Field(
        default={},
        description="Profile, or <profile>-<regime> -> what differs there.",
    )
