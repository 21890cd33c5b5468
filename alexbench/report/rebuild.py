"""Every report of a results folder again; what has none keeps no other from being made."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from alexbench.config.ablation import Ablation
from alexbench.config.load import find, load_ablation
from alexbench.config.names import ablation_name
from alexbench.config.profiles import is_profile
from alexbench.config.shipped import shipped_ablations
from alexbench.errors import BadInput, RunFailed, printable
from alexbench.report import build, terminal
from alexbench.runs import asked_with, record
from alexbench.runs.lock import lock

Make = Callable[[], Sequence[Path]]


class Target(NamedTuple):
    """Records to report: an ablation's name or file, and the folders of its profiles."""

    name: str
    folders: tuple[Path, ...]


def again(
    results: Path,
    names: Sequence[str],
    profile: str | None,
    formats: Sequence[str],
    warn: Callable[[str], None],
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[Path]:
    """Make the reports of these ablations or folders; where nothing is named, of all, the index
    and the tables of the kernels. Yields every path that is written.

    profile: only its records. tell: hears what each report found, in a sentence. Raises BadInput;
    for what has no report when all the others are made.
    """
    for name in formats:
        if name not in build.FORMATS:
            raise BadInput(f"--format {name}: allowed are {', '.join(build.FORMATS)}")
    everything = not names and profile is None
    of_kernels = sorted(results.glob("benchmarks/*.json")) if everything and not formats else []
    targets = [target(results, name) for name in names] or every_target(results, warn)
    if not targets and not of_kernels:
        raise BadInput(f"{results}: no records here; --results names the folder that holds them")
    if profile is not None:
        targets = [
            each._replace(folders=tuple(f for f in each.folders if f.name == profile))
            for each in targets
        ]
        if not any(each.folders for each in targets):
            raise BadInput(f"--profile {profile}: no records of it in {results}")
    refused: list[str] = []
    failed = False
    folders = {folder for each in targets for folder in each.folders}
    of_results = [folder for folder in folders if is_of(folder, results)]
    indexed = [results] if of_results or not names else []
    with contextlib.ExitStack() as locks:  # one command at a time
        for place in sorted({*map(os.path.realpath, [*indexed, *folders.difference(of_results)])}):
            locks.enter_context(lock(Path(place, ".report.lock"), wait=True))
        for where, make in makers(
            indexed, targets, formats or build.FORMATS, of_kernels, (warn, tell)
        ):
            try:
                yield from make()
            except (BadInput, RunFailed) as error:
                said = str(error)
                refused.append(said if printable(str(where)) in said else f"{where}: {said}")
                failed = failed or isinstance(error, RunFailed)
    if refused:
        raise (RunFailed if failed else BadInput)("; ".join(refused))


def every_target(results: Path, warn: Callable[[str], None]) -> list[Target]:
    """The ablations that have records; warns of own ones whose records do not carry their file."""
    found = []
    for name in sorted({path.parent.parent.name for path in results.glob("*/*/runs")}):
        if name in shipped_ablations() or any(map(own_files, below(results / name))):
            found.append(target(results, name))
        else:
            warn(
                f"{results / name}: not a shipped ablation: `alexbench report FILE` needs its file"
            )
    return found


def target(results: Path, name: str) -> Target:
    """The records that a name, a file or a folder means; raises BadInput where there are none."""
    folder = Path(name)
    if folder.is_dir():
        if folder.name in ("", ".."):  # dots: its name is that of the whole path
            folder = whole(folder)
        folders = (folder,) if (folder / "runs").is_dir() else below(folder)
        if not folders:
            raise BadInput(f"{name}: no records in this folder")
        return Target(whole(folders[0]).parent.name, folders)
    folders = below(results / ablation_name(name))
    try:
        find(name)
    except BadInput:
        if not any(map(own_files, folders)):  # the records of an own ablation carry its file
            raise
    if not folders:
        stem = ablation_name(name)
        raise BadInput(f"{results}: no records of '{stem}'; `alexbench run {stem}` makes some")
    return Target(name, folders)


def below(folder: Path) -> tuple[Path, ...]:
    """The folders of profiles with runs below that of an ablation."""
    return tuple(runs.parent for runs in sorted(folder.glob("*/runs")))


def whole(folder: Path) -> Path:
    """The absolute path without dots; what is a link stays one."""
    return Path(os.path.abspath(folder))


def is_of(folder: Path, results: Path) -> bool:
    """Whether the index of ``results`` shows a profile's folder."""
    return os.path.realpath(whole(folder).parent.parent) == os.path.realpath(results)


def makers(
    indexed: Sequence[Path],
    targets: Sequence[Target],
    formats: Sequence[str],
    of_kernels: Sequence[Path],
    hear: tuple[Callable[[str], None], Callable[[str], None]],
) -> Iterator[tuple[Path, Make]]:
    """Yield each folder or file, and the function that makes its report.

    indexed: the folders of results whose index is made anew. hear: who hears of refused records,
    and of results.
    """
    warn, tell = hear

    def of_folder(name: str, folder: Path) -> list[Path]:
        ablation, label = ablation_of(name, folder), asked_with.label(folder)
        paths, compared = build.write(ablation, label, folder, warn, formats)
        if said := terminal.result(compared):
            tell(said)
        return paths

    for name, folders in targets:
        for folder in folders:
            yield folder, partial(of_folder, name, folder)
    if {"html", "markdown"} & set(formats):
        for results in indexed:
            yield results, partial(build.write_index, results, formats, warn)
    if of_kernels:
        from alexbench.report import kernel_table  # reads with pandas, which takes its time

        for measured in of_kernels:
            yield measured, partial(kernel_table.write, measured)


def ablation_of(name: str, folder: Path) -> Ablation:
    """The ablation of a folder of results; raises BadInput.

    name: a path or a name. What is not found is read from the newest record that carries it.
    """
    shipped = ablation_name(name) in shipped_ablations()
    profile = asked_with.profile_of(folder)
    carried = {} if shipped and is_profile(profile) else own_files(folder)
    return load_ablation(name, profile, settings=asked_with.texts(folder), files=carried)


def own_files(folder: Path) -> dict[str, str]:
    """What the newest usable record of a folder carries of own files."""
    records, _ = record.read_folder(folder / "runs")
    newest = max(records, key=lambda run: run.environment["date"], default=None)
    return dict(newest.files) if newest else {}
