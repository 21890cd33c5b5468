"""Four independent random streams a run: variants with one seed see the same crops in one order."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Streams:
    """Where each kind of randomness comes from; none depends on how much another has drawn."""

    weights: int  # a seed: each parameter draws from a generator of its own
    order: torch.Generator
    augmentation: torch.Generator
    dropout: torch.Generator


def spawn(seed: int, device: torch.device) -> Streams:
    """The streams of one run; dropout draws on the device, the others on the CPU."""
    weights, order, augmentation, dropout = (
        int(child.generate_state(1, np.uint64)[0] >> 1)  # torch seeds are signed
        for child in np.random.SeedSequence(seed).spawn(4)
    )
    return Streams(
        weights=weights,
        order=torch.Generator().manual_seed(order),
        augmentation=torch.Generator().manual_seed(augmentation),
        dropout=torch.Generator(device).manual_seed(dropout),
    )
