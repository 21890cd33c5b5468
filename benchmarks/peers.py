"""Training against PyTorch Lightning and JAX, interleaved: python -m benchmarks.peers.

Needs ``pip install -r benchmarks/peers.txt``. Each peer trains cifar4 on the same images as a user
of it would write that: Lightning over a DataLoader with transforms and torch's layers; JAX with a
step that is jitted whole, over batches that are augmented already. A processor with bf16 products
also trains alexbench and Lightning in bf16.
"""

import argparse
import logging
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import lightning
import numpy as np
import optax
import pandas as pd
import torch
from flax import linen
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from alexbench.bench.timing import interleave, spread
from alexbench.cli.app import print_rows
from alexbench.data.dataset import Dataset, HeldSplit
from alexbench.launch.slots import cores
from alexbench.training.allocator import keep_memory
from alexbench.training.environment import processor
from alexbench.training.numerics import cpu_has_bf16
from benchmarks.textbook import Photographs, textbook_net
from benchmarks.throughput import (
    BATCH_SIZE,
    CPU,
    NUM_CLASSES,
    changed,
    cifar4_config,
    random_data,
    ready_batches,
    train_into,
)


class LightningNet(lightning.LightningModule):
    """cifar4 out of torch's layers; keeps the seconds of each epoch, not of the set-up."""

    def __init__(self) -> None:
        super().__init__()
        self.net = textbook_net(NUM_CLASSES)
        self.seconds: list[float] = []

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        inputs, labels = batch
        return F.cross_entropy(self.net(inputs), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def on_train_epoch_start(self) -> None:
        self.began = time.perf_counter()

    def on_train_epoch_end(self) -> None:
        self.seconds.append(time.perf_counter() - self.began)


def lightning_epoch(
    module: LightningNet, loader: DataLoader[tuple[Tensor, int]], precision: str
) -> None:
    """Fit for one epoch, without log, checkpoint or progress bar."""
    trainer = lightning.Trainer(
        accelerator="cpu",
        precision=precision,  # type: ignore[arg-type]  # a list of its literals
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, loader)


def jax_norm(x: jax.Array) -> jax.Array:
    """Local response normalization over the last axis."""
    window, padding = (1, 1, 1, 5), ((0, 0), (0, 0), (0, 0), (2, 2))
    energy = jax.lax.reduce_window(x * x, 0.0, jax.lax.add, window, (1, 1, 1, 1), padding)
    return x * (2.0 + 1e-4 * energy) ** -0.75


class JaxNet(linen.Module):
    """The same layers in Flax."""

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        pool = {"window_shape": (3, 3), "strides": (2, 2), "padding": ((0, 1), (0, 1))}
        x = linen.relu(linen.Conv(32, (5, 5))(x))
        x = jax_norm(linen.max_pool(x, **pool))
        x = linen.relu(linen.Conv(32, (5, 5))(x))
        x = jax_norm(linen.avg_pool(x, **pool, count_include_pad=False))
        x = linen.relu(linen.Conv(64, (5, 5))(x))
        x = linen.avg_pool(x, **pool, count_include_pad=False)
        return linen.Dense(NUM_CLASSES)(x.reshape(len(x), -1))


def jax_epochs(data: Dataset) -> Callable[[], None]:
    """An epoch over ready-made batches; the step is compiled here, and timed without that."""
    pairs = ready_batches(cifar4_config("both"), data)
    batches = [
        (np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy()), labels.numpy())
        for images, labels in pairs
    ]
    net, rule = JaxNet(), optax.chain(optax.add_decayed_weights(5e-4), optax.sgd(0.01, 0.9))
    weights: Any = net.init(jax.random.key(0), jnp.asarray(batches[0][0]))
    state = rule.init(weights)

    @jax.jit
    def step(weights: Any, state: Any, images: jax.Array, labels: jax.Array) -> tuple[Any, Any]:
        def loss(weights: Any) -> jax.Array:
            logits = net.apply(weights, images)
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        updates, state = rule.update(jax.grad(loss)(weights), state, weights)
        return optax.apply_updates(weights, updates), state

    def epoch() -> None:
        nonlocal weights, state
        for images, labels in batches:
            weights, state = step(weights, state, images, labels)
        jax.block_until_ready(weights)

    return epoch


def peers(threads: int, rounds: int, steps: int) -> pd.DataFrame:
    """A row a loop: images a second, and alexbench's rate over it in the same precision.

    The rounds are interleaved. JAX computes in float32.
    """
    keep_memory()
    torch.set_num_threads(threads)
    data = random_data(steps * BATCH_SIZE, cifar4_config("both"))
    held = data.train
    assert isinstance(held, HeldSplit)
    loader = DataLoader(
        Photographs(held.images.numpy(), held.labels.numpy()),
        batch_size=BATCH_SIZE,
        shuffle=True,  # without worker processes: JAX forbids a fork
    )
    config = cifar4_config("both")
    precisions = {"ieee": "32-true"} | ({"bf16": "bf16-mixed"} if cpu_has_bf16() else {})
    own: dict[str, list[float]] = {name: [] for name in precisions}
    modules = {name: LightningNet() for name in precisions}
    calls: dict[str, Callable[[], object]] = {}
    for name, theirs in precisions.items():
        calls[f"alexbench {name}"] = partial(
            train_into, own[name], changed(config, precision=name), data, CPU
        )
        calls[f"Lightning {name}"] = partial(lightning_epoch, modules[name], loader, theirs)
    samples = interleave(calls | {"JAX ieee": jax_epochs(data)}, CPU, rounds)
    for name in precisions:
        samples[f"alexbench {name}"] = own[name][-rounds:]
        samples[f"Lightning {name}"] = modules[name].seconds[-rounds:]
    rows = []
    for loop, seconds in samples.items():
        rate = spread([steps * BATCH_SIZE / each for each in seconds])
        ours = samples[f"alexbench {loop.split()[-1]}"]
        ratio = spread([b / a for a, b in zip(ours, seconds, strict=True)])
        rows.append([loop, rate.median, rate.iqr, ratio.median, ratio.iqr])
    return pd.DataFrame(rows, columns=["loop", "images_per_second", "iqr", "ratio", "ratio_iqr"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, help="of torch; JAX has all cores. Default: all")
    parser.add_argument("--rounds", type=int, default=10, help="times that each loop is measured")
    parser.add_argument("--steps", type=int, default=12, help="batches a round")
    asked = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning|torch")
    rows = peers(asked.threads or cores(), asked.rounds, asked.steps)
    versions = f"Lightning {lightning.__version__}, JAX {jax.__version__}"
    print_rows(rows, f"Training cifar4 with LRN, batch 128, {processor()}; {versions}")


if __name__ == "__main__":
    main()
