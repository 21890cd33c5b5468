"""Images from any tree train/<class>/*, val|test/<class>/*, held in memory or streamed."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import PIL
import torch
from torch import Tensor

from alexbench.config.schema import DataConfig
from alexbench.data import shards
from alexbench.data.cache import Arrays, cached
from alexbench.data.dataset import Dataset, HeldSplit, StreamedSplit, hold, most_held_bytes
from alexbench.data.files import Files, Folder, open_folder, printable
from alexbench.data.moments import Moments, no_moments
from alexbench.data.shards import Shards
from alexbench.data.stream import Decode, Survey, in_workers
from alexbench.errors import BadInput

CACHE_VERSION = 2  # of the decoding: change it with the code that makes pixels
FILES_A_TASK = 200
SPLITS = ("train", "test")  # also where the folder is called val
MOMENTS = ("images", "pixel_sum", "product_sum")  # the fields of Moments
NAMED = 3  # undecodable files that an error names


def load_folder(
    root: Path, data: DataConfig, cache: Path, memory_limit_bytes: float | None = None
) -> Dataset:
    """The images below root: decoded once and cached, or surveyed once and then streamed.

    Raises BadInput for what open_folder refuses, and for files that cannot be decoded unless
    ``data.undecodable`` says to skip them.
    """
    folder = open_folder(root, data.train_images, data.test_images)
    if fits(folder, data, memory_limit_bytes):
        return held(folder, root, data, cache)
    return streamed(folder, root, data, cache)


def fits(folder: Folder, data: DataConfig, memory_limit_bytes: float | None = None) -> bool:
    """Whether the decoded images may be held in memory: by $ALEXBENCH_HELD_GIB if it is set."""
    if memory_limit_bytes is None:
        memory_limit_bytes = most_held_bytes()
    images = len(folder.train.names) + len(folder.test.names)
    return images * shards.image_bytes(data.image_size) <= memory_limit_bytes


def keep_decoded(
    root: Path, data: DataConfig, cache: Path, tell: Callable[[str], None], verify: bool = False
) -> None:
    """Decode every image once for all later runs; goes on where an earlier call was ended.

    What fits in memory is kept in one file, as its first run would keep it. The images of a data
    set are the same either way, and so is its identity. verify: check what is there.
    """
    folder = open_folder(root, data.train_images, data.test_images)
    if fits(folder, data):
        held(folder, root, data, cache)
        tell(f"{root}: fits in memory, kept in {cache_path(root, data, cache, 'pixels')}")
        return
    known, place = fingerprint(folder, data), shards_folder(root, data, cache)
    splits = {"train": folder.train, "test": folder.test}
    arrays = shards.make(place, known, splits, data.image_size, tell, verify)
    cached(cache_path(root, data, cache, "survey"), known, lambda: arrays)
    train_good, test_good = (torch.from_numpy(arrays[f"{name}_good"]) for name in SPLITS)
    without_undecodable(folder, train_good, test_good, root, data)
    tell(f"{root}: every image is decoded; runs read them from {place}")


def held(folder: Folder, root: Path, data: DataConfig, cache: Path) -> Dataset:
    """A data set in memory, as it was decoded the first time."""
    path = cache_path(root, data, cache, "pixels")
    arrays = cached(path, fingerprint(folder, data), lambda: each(decoded, folder, data.image_size))
    train_good, test_good = (torch.from_numpy(arrays[f"{name}_good"]) for name in SPLITS)
    train, test = (torch.from_numpy(arrays[f"{name}_images"]) for name in SPLITS)
    folder, skipped = without_undecodable(folder, train_good, test_good, root, data)
    return hold(
        data.name,
        "image folder",
        folder.classes,
        HeldSplit(train if train_good.all() else train[train_good], folder.train.labels),
        HeldSplit(test if test_good.all() else test[test_good], folder.test.labels),
        skipped,
    )


def streamed(folder: Folder, root: Path, data: DataConfig, cache: Path) -> Dataset:
    """A data set read from its files, all of which were decoded once to see that they can be.

    Where ``keep_decoded`` has been, it is read from the images that this left instead.
    """
    side, known = data.image_size, fingerprint(folder, data)
    path, place = cache_path(root, data, cache, "survey"), shards_folder(root, data, cache)
    arrays = cached(path, known, lambda: each(survey, folder, side))
    train_good, test_good = (torch.from_numpy(arrays[f"{name}_good"]) for name in SPLITS)
    whole = shards.complete(place, known)
    listed = folder
    folder, skipped = without_undecodable(folder, train_good, test_good, root, data)
    train, test = (
        StreamedSplit(
            files,
            side,
            Moments(*(torch.from_numpy(arrays[f"{name}_{key}"]) for key in MOMENTS)),
            Shards(place, known, name, every, side, good.nonzero().squeeze(1)) if whole else None,
        )
        for name, every, files, good in zip(
            SPLITS,
            (listed.train, listed.test),
            (folder.train, folder.test),
            (train_good, test_good),
            strict=True,
        )
    )
    identity = (side, folder.train.digest(times=False), folder.test.digest(times=False))
    sha256 = hashlib.sha256(repr(identity).encode()).hexdigest()
    source = f"image folder, streamed{', decoded before' if whole else ''}"
    content = "names, sizes and labels of the files"
    return Dataset(data.name, source, folder.classes, train, test, sha256, content, skipped)


def shards_folder(root: Path, data: DataConfig, cache: Path) -> Path:
    """Where the decoded images of a root and selection are kept."""
    return cache_path(root, data, cache, "shards").with_suffix("")


def cache_path(root: Path, data: DataConfig, cache: Path, what: str) -> Path:
    """One file for each root and selection: a changed folder replaces what it left before."""
    place = (str(root.resolve()), data.image_size, data.train_images, data.test_images)
    key = hashlib.sha256(ascii(place).encode()).hexdigest()[:16]
    return cache / f"{data.name}-{what}-{key}.npz"


def fingerprint(folder: Folder, data: DataConfig) -> str:
    """What the decoded pixels follow from: files, sizes, times, and the decoder."""
    files = f"{folder.train.digest(times=True)} {folder.test.digest(times=True)}"
    return f"{CACHE_VERSION} {PIL.__version__} {data.image_size} {files}"


def each(look: Callable[[Files, int], Arrays], folder: Folder, side: int) -> Arrays:
    """What ``look`` finds in either split, under the names of the splits."""
    splits = zip(SPLITS, (folder.train, folder.test), strict=True)
    return {f"{name}_{key}": v for name, files in splits for key, v in look(files, side).items()}


def decoded(files: Files, side: int) -> Arrays:
    """All images (N, side, side, 3) uint8, and which (N,) are ``good``: could be decoded."""
    print(f"alexbench: decoding {len(files.names):,} images, once", file=sys.stderr)
    images = torch.zeros(len(files.names), side, side, 3, dtype=torch.uint8)
    good = torch.zeros(len(files.names), dtype=torch.bool)
    chunks = torch.arange(len(good)).split(FILES_A_TASK)
    found = in_workers(Decode(files, side), chunks, FILES_A_TASK * shards.image_bytes(side))
    for chunk, (pixels, could) in zip(chunks, found, strict=True):
        images[chunk], good[chunk] = pixels, could
    return {"images": images.numpy(), "good": good.numpy()}


def survey(files: Files, side: int) -> Arrays:
    """Moments of the good images, and which (N,) are ``good``; holds no image."""
    print(f"alexbench: looking through {len(files.names):,} images, once", file=sys.stderr)
    chunks = torch.arange(len(files.names)).split(FILES_A_TASK)
    good = torch.zeros(len(files.names), dtype=torch.bool)
    total = no_moments(side)
    looked = in_workers(Survey(files, side), chunks, shards.MOMENT_BYTES * side**2)
    for chunk, (found, could) in zip(chunks, looked, strict=True):
        total += found
        good[chunk] = could
    return {"good": good.numpy(), **{key: getattr(total, key).numpy() for key in MOMENTS}}


def without_undecodable(
    folder: Folder, train_good: Tensor, test_good: Tensor, root: Path, data: DataConfig
) -> tuple[Folder, tuple[str, ...]]:
    """The folder without the files that cannot be decoded, and their names.

    Raises BadInput if ``data.undecodable`` refuses them, or if a class has no others.
    """
    bad = [
        f"{files.root.name}/{printable(files.names[index])}"
        for files, mask in ((folder.train, train_good), (folder.test, test_good))
        for index in (~mask).nonzero().flatten().tolist()
    ]
    if bad and data.undecodable == "refuse":
        more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        raise BadInput(
            f"{root}: cannot decode {len(bad)} of the files: {', '.join(bad[:NAMED])}{more}; "
            "remove them, or set data.undecodable to skip"
        )
    train, test = folder.train[train_good], folder.test[test_good]
    for files, others in ((folder.train, train), (folder.test, test)):
        for label in sorted({*files.labels.tolist()} - {*others.labels.tolist()}):
            raise BadInput(
                f"{files.root}: class {folder.classes[label]!r} has no image that can be decoded"
            )
    return Folder(folder.classes, train, test), tuple(bad)
