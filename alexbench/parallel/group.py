"""Meeting the other processes of a run."""

import io
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
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
    if not (text.isdecimal() and int(text) < 2**16):
        raise BadInput(f"MASTER_PORT is {text!r}, which is no port: leave it out for any free one")
    return store_here(int(text))


def store_here(port: int) -> TCPStore:
    """A store that listens on loopback alone; port 0: any free one. Raises BadInput."""
    with socket.socket() as listening:
        # as torch does: a port that was just left can be used
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HERE, port))
            listening.listen()
        except OSError as error:
            raise BadInput(
                f"MASTER_PORT {port} cannot be used ({error.strerror}): choose another, or leave "
                "it out for any free one"
            ) from None
        port = listening.getsockname()[1]
        return TCPStore(  # torch would listen on all interfaces
            HERE,
            port,
            is_master=True,
            wait_for_workers=False,
            timeout=LONGEST_WAIT,
            master_listen_fd=listening.detach(),
        )


def is_here(address: str) -> bool:
    """Whether an address is this machine's own, which no other machine can reach."""
    return address == "localhost" or address == "::1" or address.startswith("127.")


def find_store(port: int) -> TCPStore:
    """The store that another process of this machine opened."""
    return TCPStore(HERE, port, is_master=False, timeout=LONGEST_WAIT)


def library_of(device: torch.device, exchange: str) -> str:
    """NCCL between CUDA devices, gloo between CPUs.

    exchange gloo: gloo, which unlike NCCL lets several processes share a GPU.
    """
    return "nccl" if device.type == "cuda" and exchange != "gloo" else "gloo"


@contextmanager
def group(
    store: Store, name: str, rank: int, size: int, device: torch.device, exchange: str = "auto"
) -> Iterator[None]:
    """All collectives inside go to the processes that give the same name.

    exchange: as for ``library_of``. Waits until all have come. After an error no collective is
    waited for: another process may never come to it.
    """
    if device.type == "cuda":
        torch.cuda.set_device(device)
    library = library_of(device, exchange)
    dist.init_process_group(
        library,
        store=PrefixStore(name, store),
        rank=rank,
        world_size=size,
        timeout=LONGEST_WAIT,
        device_id=device if library == "nccl" else None,
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
    """The result of ``make`` in the first process, for all; ValueError in all if it fails.

    The result is made of tensors, numbers, texts, lists and mappings: it is sent as a checkpoint is
    stored, and nothing else that another process may send is ever unpickled.
    """
    if size == 1:
        return make()
    content = torch.empty(0, dtype=torch.uint8)
    if rank == 0:
        try:
            told: tuple[Any, str | None] = (make(), None)
        except Exception as error:
            told = (None, str(error) or type(error).__name__)
        buffer = io.BytesIO()
        torch.save(told, buffer)
        content = torch.frombuffer(buffer.getbuffer(), dtype=torch.uint8)
    made, complaint = unpacked(broadcast(content))
    if complaint is not None:
        raise ValueError(complaint)
    return made  # type: ignore[no-any-return]


def unpacked(content: Tensor) -> Any:
    """What ``torch.save`` made bytes (n,) of; raises for anything that would run code."""
    return torch.load(io.BytesIO(content.numpy().data), map_location="cpu", weights_only=True)


def broadcast(content: Tensor) -> Tensor:
    """The first process's bytes (n,) uint8, in all processes, on the CPU."""
    device = wire()
    length = torch.tensor(len(content), device=device)
    dist.broadcast(length, src=0)
    sent = content.to(device) if dist.get_rank() == 0 else content.new_empty(int(length)).to(device)
    dist.broadcast(sent, src=0)
    return sent.cpu()


def all_parts(own: Tensor) -> list[Tensor]:
    """The tensors of all processes, on the CPU; they may differ in their number of rows."""
    own = own.to(wire())
    counts = [
        torch.zeros((), dtype=torch.int64, device=own.device) for _ in range(dist.get_world_size())
    ]
    dist.all_gather(counts, torch.tensor(len(own), device=own.device))
    padded = own.new_zeros(max(map(int, counts)), *own.shape[1:])
    padded[: len(own)] = own
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded)
    return [part[: int(count)].cpu() for part, count in zip(parts, counts, strict=True)]


def in_all(true: bool) -> bool:
    """Whether it is true in every process of the group, if there is one. Collective."""
    if not dist.is_initialized():
        return true
    count = torch.tensor(int(true), device=wire())
    dist.all_reduce(count)
    return int(count) == dist.get_world_size()


def wire() -> torch.device:
    """The device whose tensors the group exchanges."""
    if dist.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def talk_at_home() -> None:
    """Let gloo and NCCL use loopback alone: no other machine is in the group."""
    if sys.platform in ("linux", "darwin"):
        loopback = "lo" if sys.platform == "linux" else "lo0"
        os.environ.update(GLOO_SOCKET_IFNAME=loopback, NCCL_SOCKET_IFNAME=loopback)
