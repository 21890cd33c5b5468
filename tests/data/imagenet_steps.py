"""Train one arm under the ``imagenet`` profile in a process of its own, and print what it took.

Arguments: the image folder, a folder for caches, and settings as for ``--set``.
"""

import json
import resource
import sys
from pathlib import Path

import torch

from alexbench.bench.loader import throughput
from alexbench.config.load import load_ablation
from alexbench.data import load
from alexbench.training.allocator import keep_memory
from alexbench.training.train import train

CPU = torch.device("cpu")


def main(root: str, cache: str, *settings: str) -> None:
    torch.set_num_threads(int(settings[0]))
    keep_memory()
    arm = load_ablation("lrn", "imagenet", settings=settings[1:]).variants["both"]
    data = load(arm.data, Path(root), Path(cache))
    moments = set()  # the same one in every batch of an evaluation

    def on_progress(epochs: float, images_per_second: float, history: object) -> None:
        moments.add(epochs)

    outcome = train(arm, data, 0, CPU, on_progress)
    users = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = sum(resource.getrusage(user).ru_maxrss for user in users) * 1024
    measured = throughput(arm, data, CPU, rounds=1, steps=2)
    print(
        json.dumps(
            {
                "source": data.source,
                "steps": len(moments),
                "losses": [row["train_loss"] for row in outcome.history],
                "images_per_second": outcome.history[-1]["images_per_second"],
                "peak_bytes": peak,
                "rates": dict(measured.rows[["part", "images_per_second"]].to_numpy().tolist()),
                "sentence": measured.sentence,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
