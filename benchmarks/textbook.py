"""The loop that a tutorial would write for the same net: what alexbench is measured against.

Each image goes through PIL and torchvision's transforms on its own, tensors are NCHW, and
normalization is ``nn.LocalResponseNorm``.
"""

from collections.abc import Iterator

import numpy as np
import torch
import torchvision.transforms as T  # type: ignore[import-untyped]
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset


class Photographs(Dataset[tuple[Tensor, int]]):
    """uint8 images (N, 32, 32, 3) and labels (N,), transformed one at a time."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images, self.labels = images, labels
        self.transform = T.Compose(
            [
                T.RandomCrop(32, padding=4),
                T.RandomHorizontalFlip(),
                T.ToTensor(),
                T.Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


def textbook_net(num_classes: int) -> nn.Sequential:
    """cifar4 with normalization after both pools, out of torch's own layers."""
    norm = {"size": 5, "alpha": 5e-4, "beta": 0.75, "k": 2.0}
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.LocalResponseNorm(**norm),  # type: ignore[arg-type]
        nn.Conv2d(32, 32, 5, padding=2),
        nn.ReLU(),
        nn.AvgPool2d(3, 2, ceil_mode=True),
        nn.LocalResponseNorm(**norm),  # type: ignore[arg-type]
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.AvgPool2d(3, 2, ceil_mode=True),
        nn.Flatten(),
        nn.Linear(1024, num_classes),
    )


def textbook_epochs(
    images: np.ndarray, labels: np.ndarray, batch_size: int, workers: int
) -> Iterator[None]:
    """Train for an epoch each time that it is asked for the next."""
    loader = DataLoader(
        Photographs(images, labels), batch_size=batch_size, shuffle=True, num_workers=workers
    )
    net = textbook_net(int(labels.max()) + 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    while True:
        net.train()
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(inputs), targets)
            loss.backward()
            optimizer.step()
        yield
