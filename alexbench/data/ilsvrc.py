"""ILSVRC-2012 as it is handed out: the words of its synsets, the labels of its flat val/ folder.

Two forms are understood. The development kit: meta.mat and ILSVRC2012_validation_ground_truth.txt,
whose ids count the synsets in the order of meta.mat and not in that of their names. The LOC files:
LOC_synset_mapping.txt and LOC_val_solution.csv. Both are looked for in PLACES below the root.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import scipy.io

from alexbench.config.disk import open_regular, read_text
from alexbench.errors import BadInput

META, GROUND_TRUTH = "meta.mat", "ILSVRC2012_validation_ground_truth.txt"
MAPPING, SOLUTION = "LOC_synset_mapping.txt", "LOC_val_solution.csv"
PLACES = ("", "ILSVRC2012_devkit_t12/data", "devkit/data", "data")
LOC_IMAGES = "ILSVRC/Data/CLS-LOC"  # where train/ and val/ are beside the LOC files


def images_folder(root: Path) -> Path:
    """Where train/ and val/ are: the root, or the folder inside it that the LOC form has."""
    return root / LOC_IMAGES if (root / LOC_IMAGES / "train").is_dir() else root


def find(root: Path, name: str) -> Path | None:
    """The file of that name in one of PLACES; None if there is none."""
    return next((path for place in PLACES if (path := root / place / name).is_file()), None)


def class_names(root: Path, synsets: Sequence[str]) -> tuple[str, ...]:
    """The first word of each synset where a file says it; else the synsets as they are.

    Two synsets with one first word (crane) carry their ids: ``crane (n02012849)``. Raises BadInput
    for a synset that the file does not know.
    """
    path = find(root, META) or find(root, MAPPING)
    if path is None:
        return tuple(synsets)
    words = read_words(path)
    for synset in synsets:
        if synset not in words:
            raise BadInput(f"{path}: has no synset {synset!r}, which is a class folder of train/")
    first = [words[synset].partition(",")[0].strip() for synset in synsets]
    times = Counter(first)
    return tuple(
        word if times[word] == 1 else f"{word} ({synset})"
        for word, synset in zip(first, synsets, strict=True)
    )


def read_words(path: Path) -> dict[str, str]:
    """Synset -> its words, of either form."""
    if path.name == META:
        return dict(read_meta(path).values())
    pairs = (line.partition(" ")[::2] for line in read_lines(path) if line.strip())
    return without_contradiction(path, pairs)


def without_contradiction(path: Path, pairs: Iterable[Sequence[str]]) -> dict[str, str]:
    """The pairs as a mapping. Raises BadInput where a name has two values."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            raise BadInput(f"{path}: {name!r} is {found[name]!r} in one line, {value!r} in another")
    return found


def read_meta(path: Path) -> dict[int, tuple[str, str]]:
    """ILSVRC2012_ID -> synset and words, of the classes: the synsets without children."""
    try:
        with open_regular(path) as file:
            content = scipy.io.loadmat(file, squeeze_me=True)  # type: ignore[arg-type]
        synsets = np.atleast_1d(content["synsets"])
        classes = [row for row in synsets if int(row["num_children"]) == 0]
        found = {
            int(row["ILSVRC2012_ID"]): (str(row["WNID"]), str(row["words"])) for row in classes
        }
        assert len(found) == len(classes), "an id twice"
        return found
    except Exception:  # damaged .mat files raise nearly every type that there is
        raise BadInput(f"{path}: is not the meta.mat of the ILSVRC-2012 kit") from None


def read_lines(path: Path) -> list[str]:
    """The lines of a text file; raises BadInput if it cannot be read."""
    try:
        return read_text(path, "utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read: {error}") from None


def validation_synsets(root: Path, folder: Path, names: Sequence[str]) -> list[str]:
    """The synset of each file of a flat validation folder; ``names`` are sorted.

    Raises BadInput where nothing labels them, and where labels and files disagree.
    """
    if truth := find(root, GROUND_TRUTH):
        meta = find(root, META)
        if meta is None:
            raise BadInput(f"{truth}: its ids need {META} of the same kit beside it")
        return by_line(truth, meta, folder, len(names))
    if solution := find(root, SOLUTION):
        return by_name(solution, folder, names)
    raise BadInput(
        f"{folder}: images without class folders, and nothing that labels them in {root}: "
        f"neither {GROUND_TRUTH} with {META} nor {SOLUTION}"
    )


def by_line(truth: Path, meta: Path, folder: Path, images: int) -> list[str]:
    """Synsets by the development kit: a line an image, in the order of the file names."""
    ids, lines = read_meta(meta), read_lines(truth)
    if len(lines) != images:
        raise BadInput(f"{truth}: {len(lines):,} labels for the {images:,} images in {folder}")
    for number, line in enumerate(lines, 1):
        if not line.strip().isdecimal() or int(line) not in ids:
            raise BadInput(
                f"{truth}: line {number}: {line.strip()!r} is not an id in {meta.name} "
                f"(there: {min(ids)} to {max(ids)})"
            )
    return [ids[int(line)][0] for line in lines]


def by_name(solution: Path, folder: Path, names: Sequence[str]) -> list[str]:
    """Synsets by the LOC file: rows ``image,synset box synset box ...``, in any order."""
    try:
        rows = [row for row in csv.reader(read_lines(solution)[1:]) if row]
    except csv.Error as error:
        raise BadInput(f"{solution}: cannot be read: {error}") from None
    labels = ((row[0], row[1].partition(" ")[0]) for row in rows if len(row) > 1)
    synsets = without_contradiction(solution, labels)
    if len(synsets) != len(names):
        raise BadInput(
            f"{solution}: {len(synsets):,} labels for the {len(names):,} images in {folder}"
        )
    for name in names:
        if Path(name).stem not in synsets:
            raise BadInput(f"{solution}: has no row for {name!r} of {folder}")
    return [synsets[Path(name).stem] for name in names]
