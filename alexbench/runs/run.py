"""The runs of an ablation: every variant with every seed, and the id of each."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from alexbench.config import own_parts
from alexbench.config.ablation import Ablation
from alexbench.config.metrics import METRICS
from alexbench.config.overrides import override
from alexbench.config.schema import Config, Overrides, differences
from alexbench.runs.files import stem_of

RECIPE_VERSION = 1  # raise it when the training code changes what a configuration gives
Identity = Callable[[Config], dict[str, Any]]
FIRST_TUNE_SEED = 1000  # tuning and measuring never share a seed
NEIGHBOUR_RATIO = 2**0.5  # of a measured learning rate to the next: factor 2 is not safe
MOST_BEYOND = 2  # measured rates that an arm may have beyond the neighbours of its tuned one
Purpose = Literal["measure", "tune", "member"]  # member: trained for an average alone


@dataclass(frozen=True, eq=False)
class Run:
    """One variant with one seed: what to train."""

    ablation: str
    profile: str
    variant: str
    seed: int
    purpose: Purpose
    config: Config
    tuned: Overrides  # what tuning chose for this variant; empty where nothing was tuned
    run_id: str
    keep_views: tuple[str, ...] = ()  # whose outputs are kept, for variants that average them
    hold_back: bool = False  # a sixth of the training images is the test set
    files: dict[str, str] = field(default_factory=dict)  # name -> text of own files, for the record

    @property
    def stem(self) -> str:
        """The name of its files, without their endings."""
        return stem_of(self.variant, self.seed, self.run_id)


def measured_runs(ablation: Ablation, identity: Identity) -> list[Run]:
    """Every variant with every seed, seed by seed: the first rows soon hold whole pairs.

    identity: what else decides a configuration's result: the data's SHA-256 and the numerics.
    """
    return [
        make_run(ablation, variant, seed, "measure", at_rate, identity)
        for seed in range(ablation.seeds)
        for variant, config in ablation.variants.items()
        if seed < ablation.seeds_of(variant)
        for at_rate in with_neighbours(
            config, ablation.tune_neighbours, *ablation.beyond.get(variant, ())
        )
    ]


def with_neighbours(config: Config, count: int, below: int = 0, above: int = 0) -> list[Config]:
    """The configuration at its learning rate and at so many on either side, sqrt(2) apart.

    below, above: how many more on that side.
    """
    steps = range(-count - below, count + above + 1)
    if not count:
        return [config]
    rates = [three_digits(config.train.lr * NEIGHBOUR_RATIO**step) for step in steps]
    return [
        override(config, {"train.lr": rate}, "tune_neighbours") if step else config
        for step, rate in zip(steps, rates, strict=True)
    ]


def three_digits(value: float) -> float:
    """A learning rate that one can write down."""
    return float(f"{value:.3g}")


def tuning_runs(
    ablation: Ablation, variant: str, key: str, values: list[float], identity: Identity
) -> Iterator[Run]:
    """One variant with each value of a tuned key, on seeds that are not measured."""
    for value in values:
        config = override(ablation.variants[variant], {key: value}, f"{ablation.file}: tune")
        for seed in range(FIRST_TUNE_SEED, FIRST_TUNE_SEED + ablation.tune_seeds):
            yield make_run(ablation, variant, seed, "tune", config, identity)


def make_run(
    ablation: Ablation,
    variant: str,
    seed: int,
    purpose: Purpose,
    config: Config,
    identity: Identity,
    keep_views: tuple[str, ...] = (),
) -> Run:
    """A run of an ablation's variant with its id.

    Tuning holds training images back, unless a metric of the training decides and neighbours of
    the best rate are measured too: then it trains on all, which is part of the id.
    """
    by_training = METRICS[ablation.metrics[0]].tunes == "training" and ablation.tune_neighbours > 0
    hold_back = purpose == "tune" and not by_training
    all_images = {"tuned_on": "all images"} if purpose == "tune" else {}
    return Run(
        ablation=ablation.name,
        profile=ablation.profile,
        variant=variant,
        seed=seed,
        purpose=purpose,
        config=config,
        tuned=ablation.tuned.get(variant, {}),
        run_id=run_id(config, seed, identity(config) | ({} if hold_back else all_images)),
        keep_views=keep_views,
        hold_back=hold_back,
        files=dict(ablation.files),
    )


def run_id(config: Config, seed: int, identity: dict[str, Any]) -> str:
    """SHA-256 over a configuration's differences, the seed, the data, the numerics, the recipe."""
    content = {
        "config": differences(config.model_dump(mode="json")),
        "seed": seed,
        "identity": identity,
        "recipe_version": RECIPE_VERSION,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def to_json(run: Run) -> dict[str, Any]:
    """The run as JSON, for another process."""
    return asdict(run) | {"config": run.config.model_dump(mode="json")}


def from_json(content: dict[str, Any]) -> Run:
    """The run that ``to_json`` was given; its own parts can be called here from now on."""
    run = Run(**content | {"config": Config.model_validate(content["config"])})
    remember_parts(run)
    return run


def remember_parts(run: Run) -> None:
    """Let this process know the texts of a run's own parts."""
    for name, text in run.files.items():
        if name.endswith(".py"):
            own_parts.remember(text)
