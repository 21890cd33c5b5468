"""Decoded images on disk, made once on request: then no training run decodes a file again.

A folder of .npy files of (n, S, S, 3) uint8, each beside an .npz that says its SHA-256, a checksum
of each image, which of them could not be decoded and the moments of the others; and index.json,
written last. An image is verified when a process first reads it.
"""

import contextlib
import functools
import hashlib
import json
import os
import shutil
import sys
import time
import weakref
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alexbench.config.disk import open_regular, read_text
from alexbench.data import cache
from alexbench.data.decode import decode
from alexbench.data.files import Files
from alexbench.data.moments import Moments, moments, no_moments
from alexbench.data.stream import Decode, in_workers
from alexbench.errors import BadInput, RunFailed
from alexbench.runs.files import open_whole, reason, write_text_safely

Job = tuple[str, int, Tensor]  # a shard: its split, its number, the places of its images
SHARD_BYTES = 2**30  # what a kill loses at most; a few hundred files for all of ImageNet
IMAGES_A_TASK = 64
INDEX = "index.json"
DIGEST_BYTES = 4  # of the checksum of one image, which is verified when it is first read
MOMENT_BYTES = 64  # a pixel, of the moments of images: roughly
AT_ONCE: int | None = getattr(os, "RWF_NOWAIT", None)  # a flag that Linux has
AGAIN = "alexbench data cache makes it again"


@dataclass(frozen=True, eq=False)
class Shards:
    """The decoded images of one split, by their places among all its files."""

    folder: Path
    fingerprint: str
    split: str
    files: Files  # those that were decoded
    image_size: int
    places: Tensor  # (N,) int64

    def __getitem__(self, indices: Tensor) -> "Shards":
        return replace(self, places=self.places[indices])

    def __call__(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Images (n, S, S, 3) uint8, and which (n,) are images: all."""
        side, places = self.image_size, self.places[indices].tolist()
        images = np.empty((len(indices), side, side, 3), dtype=np.uint8)
        size = shard_images(side)
        found = {number: self.shard(number) for number in {place // size for place in places}}
        wanted = [(found[place // size], place % size) for place in places]
        there = [
            shard.read_at_once(number, image)
            for (shard, number), image in zip(wanted, images, strict=True)
        ]
        for place, image, (shard, number), read in zip(places, images, wanted, there, strict=True):
            if not read:
                shard.read(number, image)
            if shard.verified[number]:
                continue
            if digest(image) != bytes(shard.digests[number]):
                image[...] = self.again(place, shard)
            shard.verified[number] = True
        return torch.from_numpy(images), torch.ones(len(indices), dtype=torch.bool)

    def shard(self, number: int) -> "Shard":
        """The shard of that number, opened when it is first asked for."""
        return opened(shard_path(self.folder, self.split, number), self.fingerprint)

    def again(self, place: int, shard: "Shard") -> NDArray[np.uint8]:
        """A damaged image (S, S, 3), decoded from its file, and put back where it was.

        Raises RunFailed where its file no longer gives what it gave.
        """
        shard.tell()
        source, number = self.files.path(place), place % shard_images(self.image_size)
        pixels = decode(source, self.image_size)
        if pixels is None or digest(pixels) != bytes(shard.digests[number]):
            raise RunFailed(
                f"{shard.path}: image {number} is damaged, and {source} is not what it was: "
                "alexbench data cache decodes it again"
            )
        with contextlib.suppress(OSError), open(shard.path, "r+b") as file:
            file.seek(shard.start + number * pixels.nbytes)
            file.write(pixels.data)
        return pixels


@dataclass(eq=False)
class Shard:
    """One open file of images, and which of them are known to be whole."""

    path: Path
    descriptor: int
    start: int  # of the first image, in bytes
    digests: NDArray[np.uint8]  # (n, DIGEST_BYTES)
    verified: NDArray[np.bool_]  # (n,)
    told: bool = False

    def read_at_once(self, number: int, image: NDArray[np.uint8]) -> bool:
        """Read an image if it is in memory; else have the system fetch it, and return False.

        A disk fetches the images of a batch together in little more time than one. By a map of the
        file, where each page is waited for, they came at a tenth of its rate.
        """
        if AT_ONCE is None:
            return False
        size = image.nbytes
        start = self.start + number * size
        try:
            if os.preadv(self.descriptor, [image.data], start, AT_ONCE) == size:
                return True
        except OSError:  # not in memory, or on a file system that cannot tell
            pass
        os.posix_fadvise(self.descriptor, start, size, os.POSIX_FADV_WILLNEED)
        return False

    def read(self, number: int, image: NDArray[np.uint8]) -> None:
        """Read an image into ``image`` (S, S, 3). Raises RunFailed where the file is cut."""
        try:
            got = os.preadv(self.descriptor, [image.data], self.start + number * image.nbytes)
        except OSError as error:
            raise RunFailed(f"{self.path}: cannot be read ({reason(error)}): {AGAIN}") from None
        if got < image.nbytes:
            raise RunFailed(f"{self.path}: was cut while it was read: {AGAIN}")

    def tell(self) -> None:
        """Say once that it is damaged."""
        if not self.told:
            self.told = True
            print(
                f"alexbench: {self.path}: damaged: its bad images are decoded again",
                file=sys.stderr,
            )


@functools.cache
def opened(path: Path, fingerprint: str) -> Shard:
    """A shard that ``complete`` found. Raises RunFailed where it went since."""
    about = cache.read(path.with_suffix(".npz"), fingerprint)
    try:
        images: np.memmap[Any, Any] = np.load(path, mmap_mode="r")
        if about is None or images.ndim != 4 or len(about["digests"]) != len(images):
            raise RunFailed(f"{path}: is not what its .npz says: {AGAIN}")
        descriptor = os.open(path, os.O_RDONLY)
    except (OSError, ValueError) as error:
        raise RunFailed(f"{path}: cannot be read ({reason(error)}): {AGAIN}") from None
    verified = np.zeros(len(images), dtype=np.bool_)
    shard = Shard(path, descriptor, images.offset, about["digests"], verified)
    weakref.finalize(shard, os.close, descriptor)
    return shard


def digest(image: NDArray[np.uint8]) -> bytes:
    """The CRC-32 of an image's pixels: a third of the time of a SHA-256, against decay and cuts."""
    return zlib.crc32(image.data).to_bytes(DIGEST_BYTES, "little")


def shard_images(side: int) -> int:
    """How many images of that side a shard holds."""
    return max(1, SHARD_BYTES // image_bytes(side))


def image_bytes(side: int) -> int:
    """Bytes of an RGB image of that side."""
    return side * side * 3


def shard_path(folder: Path, split: str, number: int) -> Path:
    """The file of one shard."""
    return folder / f"{split}-{number:05}.npy"


def cuts(count: int, side: int) -> list[Tensor]:
    """The places of the images of each shard."""
    return list(torch.arange(count).split(shard_images(side)))


def complete(folder: Path, fingerprint: str) -> bool:
    """Whether the folder holds every image of what ``fingerprint`` names."""
    try:
        index = json.loads(read_text(folder / INDEX))
        sizes = {name: (folder / name).stat().st_size for name in index["shards"]}
        known = {name: shard["bytes"] for name, shard in index["shards"].items()}
        same: bool = index["fingerprint"] == fingerprint
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
    return (
        same and sizes == known and all(made(folder / name, fingerprint, False) for name in known)
    )


def make(
    folder: Path,
    fingerprint: str,
    splits: dict[str, Files],
    side: int,
    tell: Callable[[str], None],
    verify: bool = False,
) -> cache.Arrays:
    """Write the shards that are missing, and return what surveying the splits would give.

    verify: read those that are there, and make the damaged ones again. Raises BadInput where the
    disk has no room, RunFailed where it stops taking them; what was made before then is kept.
    """
    every: list[Job] = [
        (name, number, places)
        for name, files in splits.items()
        for number, places in enumerate(cuts(len(files.names), side))
    ]
    paths = {job[:2]: shard_path(folder, *job[:2]) for job in every}
    missing = [job for job in every if not made(paths[job[:2]], fingerprint, verify)]
    state_size(folder, splits, side, sum(len(job[2]) for job in missing), tell)
    began, left = time.monotonic(), sum(len(places) for _, _, places in missing)
    for number, job in enumerate(missing, 1):
        name, _, places = job
        try:
            make_shard(paths[job[:2]], fingerprint, splits[name], places, side)
        except OSError as error:
            raise RunFailed(
                f"{paths[job[:2]]}: cannot be written ({error.strerror}); the same command goes on "
                "from here, with ALEXBENCH_CACHE set in another folder"
            ) from None
        left -= len(places)
        tell(f"{number} of {len(missing)} files written, {to_go(began, left, missing)} to go")
    return finish(folder, fingerprint, {job[:2]: paths[job[:2]] for job in every})


def to_go(began: float, left: int, jobs: list[Job]) -> str:
    """How long the images that are left will take, at the pace so far."""
    done = sum(len(places) for _, _, places in jobs) - left
    return str(timedelta(seconds=round((time.monotonic() - began) * left / done)))


def state_size(
    folder: Path, splits: dict[str, Files], side: int, missing: int, tell: Callable[[str], None]
) -> None:
    """Say how large it becomes, before it starts; raises BadInput where there is no room."""
    count = sum(len(files.names) for files in splits.values())
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free, needed = shutil.disk_usage(there).free, missing * image_bytes(side)
    tell(
        f"{count:,} images of {side} x {side} pixels: {count * image_bytes(side) / 1e9:.1f} GB in "
        f"{folder}; {needed / 1e9:.1f} GB to write, {free / 1e9:.1f} GB free"
    )
    if needed > free:
        raise BadInput(
            f"{folder}: {needed / 1e9:.1f} GB of decoded images do not fit in {free / 1e9:.1f} GB: "
            "make room, or set ALEXBENCH_CACHE to another folder"
        )


def made(path: Path, fingerprint: str, verify: bool) -> bool:
    """Whether a shard is there, of these files, and if asked for with the pixels it had."""
    about = cache.read(path.with_suffix(".npz"), fingerprint)
    if about is None or not path.is_file() or path.stat().st_size != int(about["bytes"]):
        return False
    try:
        whole = np.load(path, mmap_mode="r").shape[0] == len(about["digests"])
    except (OSError, ValueError, EOFError, IndexError):
        whole = False
    if not whole or (verify and sha256_of(path) != str(about["sha256"])):
        print(f"alexbench: {path}: damaged: made again", file=sys.stderr)
        return False
    return True


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hex."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_shard(path: Path, fingerprint: str, files: Files, places: Tensor, side: int) -> None:
    """Decode the images at ``places`` into one file; its .npz, written after it, makes it count."""
    good, digests, total = [], [], no_moments(side)
    with open_whole(path) as file:
        shape = (len(places), side, side, 3)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for images, could, found in decoded(files, places, side):
            file.write(images.numpy().data)  # not by a map: a full disk would kill the process
            good.append(could)
            digests += [digest(image) for image in images.numpy()]
            total += found
    about = {
        "sha256": np.array(sha256_of(path)),
        "bytes": np.array(path.stat().st_size),
        "good": torch.cat(good).numpy(),
        "digests": np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES),
        **{key: value.numpy() for key, value in vars(total).items()},
    }
    cache.write(path.with_suffix(".npz"), fingerprint, about)


def decoded(files: Files, places: Tensor, side: int) -> Iterator[tuple[Tensor, Tensor, Moments]]:
    """Batches of images, which of them are good, and their moments, in order."""
    result_bytes = IMAGES_A_TASK * image_bytes(side) + MOMENT_BYTES * side**2
    return in_workers(DecodeAndSum(files, side), places.split(IMAGES_A_TASK), result_bytes)


class DecodeAndSum:
    """Images, which of them are good, and the moments of those."""

    def __init__(self, files: Files, image_size: int) -> None:
        self.decode = Decode(files, image_size)

    def __call__(self, indices: Tensor) -> tuple[Tensor, Tensor, Moments]:
        images, good = self.decode(indices)
        return images, good, moments(images[good])


def finish(folder: Path, fingerprint: str, paths: dict[tuple[str, int], Path]) -> cache.Arrays:
    """Write the index, and sum up what is known of the shards."""
    survey: dict[str, list[NDArray[Any]]] = {}
    listed = {}
    for (split, _), path in paths.items():
        about = cache.read(path.with_suffix(".npz"), fingerprint)
        assert about is not None
        del about["digests"]
        listed[path.name] = {"bytes": int(about.pop("bytes")), "sha256": str(about.pop("sha256"))}
        for key, value in about.items():
            survey.setdefault(f"{split}_{key}", []).append(value)
    index = {"fingerprint": fingerprint, "shards": listed}
    write_text_safely(json.dumps(index, indent=1) + "\n", folder / INDEX)
    return {
        name: np.concatenate(values) if name.endswith("_good") else np.asarray(sum(values))
        for name, values in survey.items()
    }
