"""Cut a net into equal parts by kernels and units: the paper's columns, or parts of FC layers.

A part has consecutive rows of every weight, as the nets order kernels by column.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from alexbench.data.share import BatchShare
from alexbench.errors import BadInput
from alexbench.models.layers import ColumnLinear, Dropout, LocalResponseNorm

Named = Sequence[tuple[str, nn.Module]]


class PartDropout(Dropout):
    """Draws the masks of the whole layer and of the whole batch, and uses its own part of them.

    units: (part, parts) of the layer's units. share: this process's images; None: all.
    """

    def __init__(self, p: float, units: tuple[int, int] = (0, 1), share: BatchShare | None = None):
        super().__init__(p)
        self.units, self.share = units, share
        self.drawn_at = 0  # the step of the share
        self.kept = torch.empty(0)

    def mask(self, x: Tensor) -> Tensor:
        """Ones where this part's units of its images are kept."""
        if self.share is None:
            return self.draw(x, len(x))
        if self.drawn_at != self.share.step:  # the passes of the hybrid share one draw
            self.drawn_at = self.share.step
            self.kept = self.draw(x, self.share.whole)
        return self.kept[self.share.in_layer.to(x.device)]

    def draw(self, x: Tensor, images: int) -> Tensor:
        """A mask for all units of so many images, cut to this part's units."""
        part, parts = self.units
        whole = x.new_empty(images, x.shape[1] * parts)
        return whole.bernoulli_(1 - self.p, generator=self.generator).chunk(parts, dim=1)[part]


def segments(
    layers: Named, part: int, parts: int, share: BatchShare | None = None
) -> nn.ModuleList:
    """One part of each layer, cut into segments before each layer that sees the units of all parts.

    A segment takes the outputs of all parts of the segment before; those of the last are the
    logits, which need not divide: the last parts may have fewer. Raises BadInput for hidden units
    that do not divide.
    """
    found: list[list[tuple[str, nn.Module]]] = [[]]
    weighted = [name for name, layer in layers if isinstance(layer, Weighted)]
    own = (0, 1)  # of the units: all of them, up to the first weights
    for name, layer in layers:
        if isinstance(layer, Weighted):
            units = len(layer.weight)
            if units % parts and name != weighted[-1]:
                raise BadInput(
                    f"{name} has {units} units, which {parts} devices cannot share evenly: "
                    "choose another model.width"
                )
            if sees_all(layer) and name != weighted[0]:
                found.append([])
            own = (part, parts)
        found[-1].append((name, part_of(layer, own, share)))
    return nn.ModuleList(nn.Sequential(OrderedDict(named)) for named in found)


Weighted = nn.Conv2d | nn.Linear | ColumnLinear


def sees_all(layer: nn.Module) -> bool:
    """Whether a layer reads the units of every part."""
    return isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)


def part_of(layer: nn.Module, own: tuple[int, int], share: BatchShare | None) -> nn.Module:
    """A layer with its own rows of the weights; one without weights may be the same for all.

    own: which part this is, and of how many.
    """
    match layer:
        case nn.Conv2d():
            inputs, size = layer.in_channels // layer.groups, layer.kernel_size
            with torch.device("meta"):
                made: nn.Module = nn.Conv2d(inputs, 1, size, layer.stride, layer.padding)  # type: ignore[arg-type]
        case nn.Linear() | ColumnLinear():
            with torch.device("meta"):
                made = nn.Linear(layer.weight.shape[1], 1)
        case LocalResponseNorm():
            return type(layer)(layer.size, layer.alpha, layer.beta, layer.k, columns=1)
        case Dropout():
            return PartDropout(layer.p, own, share)
        case _:
            return layer
    for name, whole in layer.named_parameters():
        setattr(made, name, nn.Parameter(rows(whole.detach(), *own).clone()))
    return made


def rows(whole: Tensor, part: int, parts: int) -> Tensor:
    """A part's rows of a weight or bias; the last parts may have fewer, or none."""
    most = -(-len(whole) // parts)
    return whole[part * most : (part + 1) * most]
