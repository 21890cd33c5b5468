"""Meeting the other processes of a run."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from alexbench.errors import BadInput

LONGEST_WAIT = timedelta(minutes=30)  # of one process for another: loading data, evaluating
HERE = "127.0.0.1"
Made = TypeVar("Made")


def open_store() -> TCPStore:
    """Where the processes of this machine find each other: at $MASTER_PORT, else at any free port.

    Raises BadInput for a port that cannot be used.
    """
    text = os.environ.get("MASTER_PORT", "0")
    if not (text.isdigit() and int(text) < 2**16):
        raise BadInput(f"MASTER_PORT is {text!r}, which is no port: leave it out for any free one")
    port = int(text)
    if port:
        refuse_if_taken(port)
    return TCPStore(HERE, port, is_master=True, wait_for_workers=False)


def refuse_if_taken(port: int) -> None:
    """Raises BadInput if nobody can listen at that port, before torch says so at length."""
    with socket.socket() as probe:
        if sys.platform != "win32":  # as torch does: a port that was just left can be used
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HERE, port))
        except OSError as error:
            raise BadInput(
                f"MASTER_PORT {port} cannot be used ({error.strerror}): choose another, or leave "
                "it out for any free one"
            ) from None


def find_store(port: int) -> TCPStore:
    """The store that another process of this machine opened."""
    return TCPStore(HERE, port, is_master=False, timeout=LONGEST_WAIT)


@contextmanager
def group(
    store: Store, name: str, rank: int, size: int, device: torch.device, exchange: str = "auto"
) -> Iterator[None]:
    """All collectives inside go to the processes that give the same name.

    NCCL between CUDA devices, gloo between CPUs; exchange gloo: gloo, which unlike NCCL lets
    several processes share a GPU. Waits until all have come. After an error no collective is waited
    for: another process may never come to it.
    """
    on_cuda = device.type == "cuda"
    if on_cuda:
        torch.cuda.set_device(device)
    with_nccl = on_cuda and exchange != "gloo"
    dist.init_process_group(
        "nccl" if with_nccl else "gloo",
        store=PrefixStore(name, store),
        rank=rank,
        world_size=size,
        timeout=LONGEST_WAIT,
        device_id=device if with_nccl else None,
    )
    try:
        yield
    except BaseException:
        assert dist.group.WORLD is not None
        dist.group.WORLD.abort()
        raise
    finally:
        dist.destroy_process_group()


def from_first(rank: int, size: int, make: Callable[[], Made]) -> Made:
    """The result of ``make`` in the first process, for all; ValueError in all if it fails."""
    if size == 1:
        return make()
    told: list[Any] = [None]
    if rank == 0:
        try:
            told = [(make(), None)]
        except Exception as error:
            told = [(None, str(error) or type(error).__name__)]
    dist.broadcast_object_list(told, src=0)
    made, complaint = told[0]
    if complaint is not None:
        raise ValueError(complaint)
    return made  # type: ignore[no-any-return]


def talk_at_home() -> None:
    """Let gloo use this machine's own interface, where its name may not resolve."""
    if sys.platform in ("linux", "darwin"):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if sys.platform == "linux" else "lo0")
