"""The one place where the knobs become layers: what follows a weighted layer, and in what order."""

from itertools import pairwise
from string import ascii_lowercase
from typing import Literal

from torch import nn

from alexbench.config.own_parts import is_own
from alexbench.config.schema import ModelConfig
from alexbench.models.layers import (
    Gain,
    LocalResponseNorm,
    NormOfReLU,
    ReLUBeforeNorm,
    ScaledTanh,
    WithinMapNorm,
)
from alexbench.models.own import OwnActivation

Layers = list[tuple[str, nn.Module]]  # named, in the order of the forward pass
Pool = Literal["max", "average"]

# Where the released net of each name normalizes: layers-145.cfg; the CIFAR-10 18% recipe (within
# maps); the 11% recipe, which normalizes after pool1 and before pool2.
AS_RUN_ORDER = {
    "alexnet": {"conv1": "before_relu", "conv2": "after_relu"},
    "alexnet_small": {"conv1": "before_relu", "conv2": "after_relu"},
    "cifar4": {"conv1": "after_pool", "conv2": "after_pool"},
    "cifar_local": {"conv1": "after_pool", "conv2": "after_relu"},
}
# Size in pixels and scale of the released within-map norms: "cnorm2" of layers-145.cfg, and the two
# of the CIFAR-10 18% recipe.
WITHIN_MAP = {
    "alexnet": {"conv2": (5, 1e-3)},
    "alexnet_small": {"conv2": (5, 1e-3)},
    "cifar4": {"conv1": (3, 5e-5), "conv2": (3, 5e-5)},
}


def stage(
    model: ModelConfig, name: str, layer: nn.Module, pool: Pool | None = None, columns: int = 1
) -> Layers:
    """The layer with its activation, its normalizations and its pooling, in ``lrn_order``.

    An increasing activation commutes with max pooling, where it has a quarter of the work: so it
    stands after the pool (as in the released nets) wherever no normalization keeps them apart. One
    of one's own may fall: it stands before the pool.
    """
    number = name.strip(ascii_lowercase)
    active: Layers = [(f"activation{number}", activation(model))]
    pooled: Layers = [(f"pool{number}", pooling(model, pool))] if pool else []
    rises = pool == "max" and not is_own(model.activation)
    active_and_pooled = pooled + active if rises else active + pooled
    normed = norms(model, name, columns)
    order = AS_RUN_ORDER[model.name].get(name) if model.lrn_order == "as_run" else model.lrn_order
    if not normed or order == "after_pool":
        rest = active_and_pooled + normed
    elif order == "before_relu":
        rest = normed + active_and_pooled
    else:
        rest = active + normed + pooled
    return [(name, layer), *in_one_pass(rest)]


def in_one_pass(layers: Layers) -> Layers:
    """The same layers, but a ReLU right before a normalization may leave its work to that."""
    found = list(layers)
    for place, ((name, layer), (norm_name, norm)) in enumerate(pairwise(layers)):
        if isinstance(layer, nn.ReLU) and isinstance(norm, LocalResponseNorm):
            settings = norm.size, norm.alpha, norm.beta, norm.k, norm.columns
            found[place] = name, ReLUBeforeNorm(inplace=True)
            found[place + 1] = norm_name, NormOfReLU(*settings)
    return found


def activation(model: ModelConfig) -> nn.Module:
    """In place for relu: no layer before it needs its own output in the backward pass."""
    match model.activation:
        case "relu":
            return nn.ReLU(inplace=True)
        case "tanh":
            return nn.Tanh()
        case "scaled_tanh":
            return ScaledTanh()
        case own:
            return OwnActivation(own)


def norms(model: ModelConfig, name: str, columns: int) -> Layers:
    """The normalizations of the output of the layer of that name: across kernels, then in maps."""
    found: Layers = []
    if name in ("conv1", "conv2"):
        if model.lrn == "gain_only":
            found.append((f"gain{name[-1]}", Gain(model.lrn_beta, model.lrn_k)))
        elif model.lrn in ("both", name):
            found.append((f"lrn{name[-1]}", local_response_norm(model, columns)))
    if model.within_map_norm and name in WITHIN_MAP[model.name]:
        found.append((f"within_map{name[-1]}", WithinMapNorm(*WITHIN_MAP[model.name][name])))
    return found


def local_response_norm(model: ModelConfig, columns: int) -> LocalResponseNorm:
    """The paper writes k + alpha * sum; what ran divided alpha by the size, as torch does."""
    alpha = model.lrn_alpha * (model.lrn_size if model.lrn_alpha_reading == "paper" else 1)
    return LocalResponseNorm(model.lrn_size, alpha, model.lrn_beta, model.lrn_k, columns)


def pooling(model: ModelConfig, pool: Pool) -> nn.Module:
    """3x3/2 with partial windows at the edge, or 2x2/2; both leave side // 2 pixels (section 3.4).

    The released 3x3/2 pools read a clipped window at the edge, ceil((side - 3) / 2) + 1 in all,
    which is side // 2 from 2 pixels on. 2x2/2 gives the same sizes by not reading the last row and
    column of an odd side (notebook #147 changed the paddings of conv2 and conv5 instead).
    """
    sizes = {"overlapping": (3, 2, 0), "non_overlapping": (2, 2, 0)}[model.pooling]
    kind = nn.MaxPool2d if pool == "max" else nn.AvgPool2d
    return kind(*sizes, ceil_mode=model.pooling == "overlapping" and model.rounding == "up")


def pooled(side: int, model: ModelConfig) -> int:
    """The side in pixels of a pool's outputs. Rounded down, 3x3/2 reads whole windows only."""
    whole_windows = model.pooling == "overlapping" and model.rounding == "down"
    return (side - 3) // 2 + 1 if whole_windows else side // 2


def scaled(number: int, model: ModelConfig) -> int:
    """The number of kernels or units times ``width``; at least one."""
    return max(1, round(number * model.width))
