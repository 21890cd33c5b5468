"""Runs under torchrun, on one host or on several: the first process leads, the others follow.

The first process is the command line. When a run asks for several processes, its worker calls the
others through torchrun's store, and they train the run together.
"""

import json
import os
import sys
import traceback
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from alexbench.config.execution import Slot
from alexbench.config.placement import num_processes
from alexbench.errors import BadInput
from alexbench.parallel.group import LONGEST_WAIT, is_here, store_here, talk_at_home
from alexbench.parallel.group import group as joined
from alexbench.parallel.placed import ProcessGroup
from alexbench.runs import record
from alexbench.runs.run import Run, from_json, to_json
from alexbench.runs.store import RunStore
from alexbench.training.checkpoint import Checkpoints, Stopped
from alexbench.training.runner import perform
from alexbench.training.train import ProgressCallback

LONGEST_SWEEP = timedelta(days=365)


def find() -> tuple[TCPStore, ProcessGroup]:
    """torchrun's own store, and this process's rank among those that it started."""
    agent_has_it = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    group = ProcessGroup(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    leads = group.rank == 0 and not agent_has_it
    if os.environ.get("LOCAL_WORLD_SIZE") == os.environ["WORLD_SIZE"]:
        talk_at_home()
    if leads and is_here(address):
        return store_here(port), group
    return TCPStore(address, port, is_master=leads, timeout=LONGEST_WAIT), group


def lead(
    run: Run, slot: Slot, runs: RunStore, watch: ProgressCallback, checkpoints: Checkpoints | None
) -> record.RunRecord:
    """Train a run with as many processes as it needs. Raises BadInput where torchrun has fewer."""
    store, everyone = find()
    group = ProcessGroup(0, num_processes(run.config.train))
    if group.size > everyone.size:
        raise BadInput(
            f"{run.variant} is trained by {group.size} processes, and torchrun started "
            f"{everyone.size}: raise --nnodes or --nproc-per-node"
        )
    if checkpoints:
        checkpoints.join(group)
    name = call(store, {"run": to_json(run), "folder": str(runs.folder), "slot": asdict(slot)})
    device = torch.device(slot.device)
    with joined(store, name, group.rank, group.size, device, run.config.train.exchange):
        return perform(run, slot, runs, watch, checkpoints, group)


def call(store: TCPStore, job: dict[str, Any]) -> str:
    """Send the next job to the other processes; returns its name."""
    name = f"alexbench {store.add('alexbench', 1)}"
    store.set(name, json.dumps(job))
    return name


def dismiss() -> None:
    """Let the other processes end."""
    call(find()[0], {})


def follow() -> None:
    """Take part in the runs that the first process calls, until it dismisses this one."""
    store, everyone = find()
    rank, number = everyone.rank, 1
    while True:
        name = f"alexbench {number}"
        store.wait([name], LONGEST_SWEEP)
        job = json.loads(store.get(name))
        if not job:
            return
        number += 1
        run = from_json(job["run"])
        group = ProcessGroup(rank, num_processes(run.config.train))
        if rank >= group.size:
            continue
        slot = replace(Slot(**job["slot"]), device=own_device(job["slot"]["device"]))
        torch.set_num_threads(slot.num_threads)
        kept = Checkpoints(Path(job["folder"]), run.stem, run.run_id, seconds=0.0)
        kept.join(group)
        try:
            device, exchange = torch.device(slot.device), run.config.train.exchange
            with joined(store, name, group.rank, group.size, device, exchange):
                perform(run, slot, RunStore(Path(job["folder"])), lambda *_: None, kept, group)
        except Stopped:
            continue
        except Exception:
            traceback.print_exc()
            print(f"alexbench: rank {group.rank} waits for the next run", file=sys.stderr)


def own_device(device: str) -> str:
    """This process's own device on its host: CUDA if the first process uses CUDA."""
    return f"cuda:{os.environ['LOCAL_RANK']}" if device.startswith("cuda") else device
