"""Image files in class folders: which there are, and whether they still are what they were."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alexbench.data import ilsvrc
from alexbench.errors import BadInput


@dataclass(frozen=True, eq=False)
class Files:
    """Image files below a folder. Names are bytes in one block: a million Paths would not fit."""

    root: Path
    names: NDArray[np.bytes_]  # (N,) relative to root, as the file system has them
    labels: Tensor  # (N,) int64

    def path(self, index: int) -> Path:
        """The file of the image with that index."""
        return self.root / os.fsdecode(self.names[index])

    def __getitem__(self, indices: Any) -> "Files":
        return Files(self.root, self.names[np.asarray(indices)], self.labels[indices])

    def digest(self, times: bool) -> str:
        """Hash of the names, labels and sizes of the files, and of their times if asked for."""
        digest = hashlib.sha256()
        root = os.fsencode(self.root)
        for name, label in zip(self.names.tolist(), self.labels.tolist(), strict=True):
            try:
                status = os.stat(root + b"/" + name)
                known = (status.st_size, status.st_mtime_ns if times else 0)
            except OSError:  # a link to nothing: decoding it will say so
                known = (-1, 0)
            digest.update(b"%b\0%d\0%d\0%d\0" % (name, label, *known))
        return digest.hexdigest()


@dataclass(frozen=True)
class Folder:
    """Classes and files of an image folder."""

    classes: tuple[str, ...]
    train: Files
    test: Files


def open_folder(root: Path, train_images: int | None, test_images: int | None) -> Folder:
    """The files of root/train/<class>/* and root/val|test/<class>/*: the first so many of each.

    Where there are both val and test, val is what is tested on: ImageNet's test has no labels. A
    val without class folders, and the words of the classes, are looked up as ILSVRC has them.
    """
    if not root.is_dir():
        raise BadInput(f"{root}: no such folder (given as the root of the data)")
    place = ilsvrc.images_folder(root)
    tested = next((name for name in ("val", "test") if (place / name).is_dir()), None)
    if tested is None or not (place / "train").is_dir():
        raise BadInput(f"{root}: needs train/<class>/* and val/<class>/* or test/<class>/*")
    classes, train = find(place / "train")
    if is_flat(place / tested):
        test = find_flat(place / tested, root, classes)
    else:
        test_classes, test = find(place / tested)
        for name in sorted(set(classes) ^ set(test_classes)):
            has, lacks = ("train", tested) if name in classes else (tested, "train")
            raise BadInput(f"{root}: class {name!r} is in {has}/ but not in {lacks}/")
    return Folder(
        ilsvrc.class_names(root, classes),
        first(train, train_images, "data.train_images"),
        first(test, test_images, "data.test_images"),
    )


def is_flat(folder: Path) -> bool:
    """Whether a folder holds files and no class folders."""
    try:
        with os.scandir(folder) as entries:
            return {entry.is_dir() for entry in entries if entry.name[0] != "."} == {False}
    except OSError as error:
        raise BadInput(f"{folder}: cannot be read: {error.strerror}") from None


def find_flat(folder: Path, root: Path, classes: tuple[str, ...]) -> Files:
    """Files of a folder without classes, sorted by name, labelled as ILSVRC does it."""
    with os.scandir(os.fsencode(folder)) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith(b"."))
    synsets = ilsvrc.validation_synsets(root, folder, [printable(name) for name in names])
    places = {name: place for place, name in enumerate(classes)}
    for name, synset in zip(names, synsets, strict=True):
        if synset not in places:
            raise BadInput(
                f"{folder}: {printable(name)} is of synset {synset!r}, train/ has no such folder"
            )
    return Files(folder, np.array(names), torch.tensor([places[synset] for synset in synsets]))


def find(folder: Path) -> tuple[tuple[str, ...], Files]:
    """Classes and files of folder/<class>/*, both sorted by the bytes of their names.

    Hidden files and folders are passed over. Raises BadInput for a class without images, for a
    folder inside a class, and where there are no classes.
    """
    try:
        classes = subfolders(folder)
        found = [class_files(folder, name) for name in classes]
    except OSError as error:
        raise BadInput(f"{folder}: cannot be read: {error.strerror}") from None
    if not classes:
        raise BadInput(f"{folder}: no images: they are looked for in {folder.name}/<class>/*")
    names = np.array([name for files in found for name in files])
    counts = torch.tensor([len(files) for files in found])
    labels = torch.arange(len(classes)).repeat_interleave(counts)
    return tuple(printable(name) for name in classes), Files(folder, names, labels)


def subfolders(folder: Path) -> list[bytes]:
    """The names of the folders in a folder, sorted; hidden ones are left out.

    Raises BadInput for a link to nothing: a class that is on a disk which is not there.
    """
    with os.scandir(os.fsencode(folder)) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(b".")]
    for entry in visible:
        if entry.is_symlink() and not os.path.exists(entry.path):
            raise BadInput(f"{printable(entry.path)}: is a link to nothing: mend it or remove it")
    return sorted(entry.name for entry in visible if entry.is_dir())


def class_files(folder: Path, name: bytes) -> list[bytes]:
    """Files of one class, as <class>/<file>."""
    place = os.fsencode(folder / os.fsdecode(name))
    with os.scandir(place) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(b".")]
        folders = [entry.name for entry in visible if entry.is_dir()]
    if folders:
        inner = printable(folders[0])
        raise BadInput(f"{printable(place)}: holds a folder {inner!r} where images are expected")
    if not visible:
        raise BadInput(f"{printable(place)}: class folder without images: fill it or remove it")
    return sorted(name + b"/" + entry.name for entry in visible)


def first(files: Files, count: int | None, key: str) -> Files:
    """The first so many files, classes in turn; ``key`` is the setting that says how many."""
    if count is not None and count > len(files.names):
        raise BadInput(f"{key}: {count} images asked for, {files.root} has {len(files.names)}")
    return files[balanced(files.labels, count)]


def balanced(labels: Tensor, count: int | None) -> Tensor:
    """Indices of the first ``count`` images when the classes take turns, in file order in each.

    A class-sorted folder cut short would otherwise hold a few classes only.
    """
    by_class = labels.argsort(stable=True)
    sizes = labels.bincount()
    first = sizes.cumsum(0) - sizes
    turn = torch.empty_like(labels)
    turn[by_class] = torch.arange(len(labels)) - first.repeat_interleave(sizes)
    order = (turn * len(sizes) + labels).argsort()
    return order[:count]


def printable(name: bytes) -> str:
    """A file name as it can be printed: one line, whatever bytes it holds."""
    text = name.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else ascii(text)[1:-1]
