"""What the sources report: the claims, the authors' own runs, and replications, as checked data."""

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from alexbench.config import metrics
from alexbench.config.ablation_file import ClaimUse
from alexbench.config.schema import Section
from alexbench.config.shipped import read_shipped

PATH = Path(__file__).with_name("references.yaml")
NEAR = 0.01  # undecodable images may be missing from a copy of a data set

Grade = Literal["R", "A", "S", "I", "mem", "own"]
GRADES: dict[str, str] = {
    "R": "read in the source",
    "A": "the authors' released runs agree to rounding",
    "S": "seen in a secondary transcription",
    "I": "issue or documentation text",
    "mem": "from memory, not confirmed",
    "own": "as the ablation's file says",
}


class Source(Section):
    """Where numbers come from."""

    title: str
    link: str | None


class DataSet(Section):
    """A data set that a source measured on, and how a record would name and count it."""

    title: str
    names: Annotated[tuple[str, ...], Field(strict=False)]
    classes: PositiveInt
    train_images: PositiveInt | None
    test_images: PositiveInt | None


class Effect(Section):
    """What a technique does to a metric: with it minus without it, or the ratio of the two.

    ``baseline`` and ``variant`` are the values without and with it. A source that gives the delta
    may give one of them: the other follows. ``arms``: their names where a source has several pairs.
    ``delta_se``: the standard error of the delta, where a source gives it.
    """

    metric: str
    delta: float | None = None
    direction: Literal["lower", "higher"] | None = None
    said: Literal["", "about", "beyond"] = ""  # by the source, before the number
    baseline: float | None = None
    variant: float | None = None
    arms: Annotated[tuple[str, str], Field(strict=False)] | None = None
    images: PositiveInt | None = None
    delta_se: PositiveFloat | None = None

    @field_validator("metric")
    @classmethod
    def known_metric(cls, metric: str) -> str:
        """Raises ValueError for an unknown metric."""
        if metric not in (*metrics.METRICS, *metrics.AT_LEVEL):
            raise ValueError(f"unknown metric '{metric}'")
        return metric

    @model_validator(mode="after")
    def says_something(self) -> "Effect":
        """Raises ValueError unless the effect is given in exactly one way, by possible numbers."""
        both = self.baseline is not None and self.variant is not None
        if sum([self.delta is not None, self.direction is not None, both]) != 1:
            raise ValueError("give one of: delta, direction, baseline and variant")
        given = [each for each in (self.baseline, self.variant) if each is not None]
        if self.is_ratio and any(each <= 0 for each in (*given, self.delta or 1)):
            raise ValueError(f"{self.metric} is compared by its ratio: numbers above 0 are allowed")
        shares = [*given, *(self.values or ()), abs(self.delta or 0)]
        if self.is_share and any(not 0 <= each <= 100 for each in shares):
            raise ValueError(f"{self.metric}: percentages of 0 to 100 are allowed")
        if self.images is not None and not self.is_share:
            raise ValueError(f"images: gives no standard error for {self.metric}")
        if self.delta_se is not None and self.is_share and sum(given) in (0, 200) and both:
            raise ValueError("standard error: there is none at 0% or 100% in both arms")
        return self

    @property
    def values(self) -> tuple[float, float] | None:
        """The values without and with the technique; None where a source gives neither."""
        baseline, variant = self.baseline, self.variant
        if self.delta is not None and not self.is_ratio:
            baseline = (
                variant - self.delta if baseline is None and variant is not None else baseline
            )
            variant = baseline + self.delta if baseline is not None else None
        return None if baseline is None or variant is None else (baseline, variant)

    @property
    def is_ratio(self) -> bool:
        """Whether the effect is a ratio instead of a difference."""
        if self.metric in metrics.AT_LEVEL:
            return self.metric.startswith("epochs")
        return metrics.METRICS[self.metric].kind != "difference"

    @property
    def is_share(self) -> bool:
        """Whether the metric is a percentage of images."""
        if self.metric in metrics.AT_LEVEL:
            return not self.is_ratio
        known = metrics.METRICS[self.metric]
        return known.odds or known.name == "test_accuracy"

    @property
    def size(self) -> float | None:
        """The delta (points) or ratio; None where only a direction is known."""
        if self.delta is not None or self.values is None:
            return self.delta
        baseline, variant = self.values
        return variant / baseline if self.is_ratio else round(variant - baseline, 6)

    @property
    def log_or_points(self) -> float:
        """The size on the scale on which zero means no effect; plus or minus 1 for a direction."""
        if self.size is None:
            return 1.0 if self.direction == "higher" else -1.0
        return math.log(self.size) if self.is_ratio else self.size

    @property
    def standard_error(self) -> float | None:
        """The standard error that a source gives, or the binomial one of an error difference.

        In points, arms unpaired. The binomial one is of one run an arm on ``images`` test images;
        what another seed would give is not in it.
        """
        if self.delta_se is not None:
            return self.delta_se
        if self.values is None or self.images is None:
            return None
        return math.sqrt(sum(error * (100 - error) for error in self.values) / self.images)


class Study(Section):
    """Numbers of one source on one data set. ``runs``: how many an arm is the mean of."""

    source: str
    where: str | None
    data: str | None
    views: str | None = None
    grade: Grade
    runs: PositiveInt = 1
    isolates: bool = True  # the claim's factor and no other
    effects: Annotated[tuple[Effect, ...], Field(strict=False)] = ()
    values: dict[str, float] = Field(default_factory=dict)
    caveats: Annotated[tuple[str, ...], Field(strict=False)] = ()

    def effect(self, metric: str, arms: tuple[str, str] | None = None) -> Effect | None:
        """Return the effect on ``metric``; where a source has several pairs, that of ``arms``
        (baseline, variant)."""
        wanted = tuple(arm.lower() for arm in arms or ())
        for effect in self.effects:
            named = tuple(arm.lower() for arm in effect.arms or wanted)
            if effect.metric in (metric, metrics.stem(metric)) and named == wanted:
                return effect
        return None


class Claim(Study):
    """What a source says that a technique does. ``own_link``: of a source that is named in full."""

    title: str
    ablation: str
    statement: str
    notebook: Annotated[tuple[Study, ...], Field(strict=False)] = ()
    own_link: str | None = None

    def notebook_effect(self, metric: str, arms: tuple[str, str] | None = None) -> Effect | None:
        """Return what the authors' released runs record for the claim's own factor."""
        found = (study.effect(metric, arms) for study in self.notebook if study.isolates)
        return next((effect for effect in found if effect), None)

    def metrics(self) -> list[str]:
        """Return the metrics that this claim is about, in the source's order."""
        studies = [self, *(study for study in self.notebook if study.isolates)]
        return list(dict.fromkeys(e.metric for study in studies for e in study.effects))


class Replication(Study):
    """What somebody else measured."""

    id: str
    title: str
    claim: str | None
    statement: str | None = None


class References(Section):
    """The whole of references.yaml; every name in it leads somewhere."""

    sources: dict[str, Source]
    data_sets: dict[str, DataSet]
    claims: dict[str, Claim]
    replications: Annotated[tuple[Replication, ...], Field(strict=False)]

    @model_validator(mode="after")
    def names_lead_somewhere(self) -> "References":
        """Raises ValueError for a source, data set or claim that is not in the file."""
        notebooks = [study for claim in self.claims.values() for study in claim.notebook]
        for study in [*self.claims.values(), *notebooks, *self.replications]:
            if study.source not in self.sources:
                raise ValueError(f"unknown source '{study.source}'")
            if study.data is not None and study.data not in self.data_sets:
                raise ValueError(f"unknown data set '{study.data}'")
        for replication in self.replications:
            if replication.claim is not None and replication.claim not in self.claims:
                raise ValueError(f"{replication.id}: unknown claim '{replication.claim}'")
        return self


@functools.cache
def load() -> References:
    """Return references.yaml, checked."""
    return References.model_validate(read_shipped(PATH))


_own_claims: dict[str, Claim] = {}  # of loaded ablations, by <ablation>:<name>


def define(claim_id: str, uses: tuple[ClaimUse, ...], title: str) -> None:
    """Make a claim known that an ablation's file reports; raises ValueError.

    claim_id: ``<ablation>:<name>``, which no other ablation has. title: the ablation's.
    """
    effects, first = [], next(use.reported for use in uses if use.reported)
    for use in uses:
        said = use.reported
        if said is None:
            raise ValueError(f"variant '{use.variant}' has no 'reported', as the others have")
        for field in ("statement", "source", "link", "data", "n"):
            if getattr(said, field) != getattr(first, field):
                raise ValueError(f"reported.{field}: is not that of the claim's first comparison")
        arms = (str(use.baseline), use.variant)
        if said.values and set(arms) - said.values.keys():
            raise ValueError(f"reported.values: give a value for each of {' and '.join(arms)}")
        effects.append(
            Effect(
                metric=use.metric or "test_error",
                delta=said.delta,
                direction=said.direction,
                baseline=said.values.get(arms[0]),
                variant=said.values.get(arms[1]),
                arms=arms,
                images=said.images,
                delta_se=said.standard_error,
            )
        )
    if first.data is not None and first.data not in load().data_sets:
        raise ValueError(f"reported.data '{first.data}': allowed are {', '.join(load().data_sets)}")
    _own_claims[claim_id] = Claim(
        title=title,
        ablation=claim_id.partition(":")[0],
        statement=first.statement,
        source=first.source,
        own_link=first.link,
        where=None,
        data=first.data,
        grade="own",
        runs=first.n,
        effects=tuple(effects),
    )


def claim_ids() -> list[str]:
    """Return the ids of the claims that alexbench ships."""
    return list(load().claims)


def claim(claim_id: str) -> Claim:
    """Return a claim by its id; one of an own ablation once that is loaded."""
    return _own_claims.get(claim_id) or load().claims[claim_id]


def known_claim(claim_id: str) -> Claim | None:
    """Return a claim by its id; None for one of an own ablation that is not loaded."""
    return _own_claims.get(claim_id) or load().claims.get(claim_id)


def is_own(claim_id: str) -> bool:
    """Whether the claim is one that a loaded ablation reports itself."""
    return claim_id in _own_claims


def replications_of(claim_id: str) -> list[Replication]:
    """Return what others measured of a claim's technique."""
    return [each for each in load().replications if each.claim == claim_id]


def source(study: Study) -> Source:
    """Return the source of a study."""
    if isinstance(study, Claim) and study.grade == "own":
        return Source(title=study.source, link=study.own_link)
    return load().sources[study.source]


def source_title(study: Study) -> str:
    """Return the full name of a study's source."""
    return source(study).title


def data_title(study: Study) -> str:
    """Return the name of the data that a study measured on, as a sentence would say it."""
    return load().data_sets[study.data].title if study.data else "no data set"


def same_data(study: Study, data: Mapping[str, Any]) -> bool:
    """Say whether a record's data are the study's: name, classes and (within 1%) image counts."""
    if study.data is None:
        return False
    wanted = load().data_sets[study.data]
    counts = [
        (wanted.train_images, data["train_images"]),
        (wanted.test_images, data["test_images"]),
    ]
    return (
        data["name"] in wanted.names
        and len(data["classes"]) == wanted.classes
        and all(n is not None and abs(found - n) <= NEAR * n for n, found in counts)
    )
