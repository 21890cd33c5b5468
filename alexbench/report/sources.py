"""What the sources say, put into words for the pages."""

from typing import NamedTuple

from alexbench.config import references
from alexbench.config.references import Effect, Replication, Study


class Told(NamedTuple):
    """A study as a line of text."""

    source: str
    link: str | None
    where: str | None
    data: str
    views: str | None
    runs: str
    grade: str
    numbers: str
    caveats: tuple[str, ...]


def statement(claim_id: str) -> str:
    """Return what a claim's source says, as a sentence."""
    claim = references.claim(claim_id)
    return f"{claim.title[0].upper()}{claim.title[1:]}: {claim.statement}."


def of_claim(claim_id: str) -> list[Told]:
    """Return the claim's source, the released notes and the replications, in this order."""
    claim = references.claim(claim_id)
    return [told(each) for each in [claim, *claim.notebook, *references.replications_of(claim_id)]]


def told(study: Study) -> Told:
    """Returns a study put into words."""
    source = references.source(study)
    title = study.title + " in " if isinstance(study, Replication) else ""
    return Told(
        source=f"{title}{source.title}",
        link=source.link,
        where=study.where,
        data=references.data_title(study),
        views=study.views,
        runs=runs(study),
        grade=references.GRADES[study.grade],
        numbers=numbers(study),
        caveats=study.caveats,
    )


def runs(study: Study) -> str:
    """Return how many runs the numbers of a study are the means of."""
    return "one run an arm" if study.runs == 1 else f"{study.runs} runs an arm"


def numbers(study: Study) -> str:
    """Return the effects and values of a study in words."""
    said = [effect_in_words(effect) for effect in study.effects]
    said += [f"{name} {value:g}" for name, value in study.values.items()]
    if isinstance(study, Replication) and study.statement:
        said.append(study.statement)
    return ", ".join(said)


def effect_in_words(effect: Effect) -> str:
    """Returns an effect with its metric, arms and standard error in words."""
    arms = f" ({effect.arms[0]} to {effect.arms[1]})" if effect.arms else ""
    said = f"{effect.said} " if effect.said else ""
    if effect.size is None:
        return f"{effect.metric}{arms} {effect.direction}"
    size = f"x{effect.size:.3g}" if effect.is_ratio else f"{effect.size:+.2f}"
    error = "" if effect.standard_error is None else f" (SE {effect.standard_error:.2f})"
    return f"{effect.metric}{arms} {said}{size}{error}"
