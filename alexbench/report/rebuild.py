"""Every report of a results folder again; what has none keeps no other from being made."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from alexbench.config.ablation import Ablation, find, is_profile, load_ablation, shipped_ablations
from alexbench.errors import BadInput
from alexbench.report import build, kernel_table
from alexbench.runs import record
from alexbench.runs.lock import lock

Make = Callable[[], Sequence[Path]]


def again(
    results: Path, names: Sequence[str], formats: Sequence[str], warn: Callable[[str], None]
) -> Iterator[Path]:
    """Make the reports of these ablations; where neither they nor formats are named, of all, and
    the tables of the kernels. Yields every path that is written.

    Raises BadInput; for what has no report when all the others are made.
    """
    for name in formats:
        if name not in build.FORMATS:
            raise BadInput(f"--format {name}: allowed are {', '.join(build.FORMATS)}")
    found = sorted({path.parent.parent.name for path in results.glob("*/*/runs")})
    of_kernels = [] if names or formats else sorted(results.glob("benchmarks/*.json"))
    for name in names:
        if name not in found:  # an own ablation's records carry its file
            find(name)  # refuses a name that is none
    if not found and not of_kernels:
        raise BadInput(f"{results}: no records here; --results names the folder that holds them")
    for stem in (Path(name).stem for name in names):
        if stem not in found:
            raise BadInput(f"{results}: no records of '{stem}'; `alexbench run {stem}` makes some")
    ablations = names or found
    refused = []
    with lock(results / ".report.lock", wait=True):  # one command at a time
        for where, make in makers(results, ablations, formats or build.FORMATS, of_kernels, warn):
            try:
                yield from make()
            except BadInput as error:
                said = str(error)
                refused.append(said if str(where) in said else f"{where}: {said}")
    if refused:
        raise BadInput("; ".join(refused))


def makers(
    results: Path,
    names: Sequence[str],
    formats: Sequence[str],
    of_kernels: Sequence[Path],
    warn: Callable[[str], None],
) -> Iterator[tuple[Path, Make]]:
    """Yield each folder or file, and the function that makes its report."""

    def of_folder(name: str, folder: Path) -> list[Path]:
        ablation = ablation_of(name, folder)
        return build.write(ablation, folder.name, folder, warn, formats)[0]

    for name in names:
        for runs in sorted(results.glob(f"{Path(name).stem}/*/runs")):
            yield runs.parent, partial(of_folder, name, runs.parent)
    if "html" in formats:
        yield results, lambda: [build.write_index(results)]
    for measured in of_kernels:
        yield measured, partial(kernel_table.write, measured)


def ablation_of(name: str, folder: Path) -> Ablation:
    """The ablation of a folder of results; raises BadInput.

    name: a path or a name. What is not found is read from the newest record that carries it.
    """
    shipped = Path(name).stem in shipped_ablations()
    profile = folder.name.partition(",")[0]
    carried = {} if shipped and is_profile(profile) else own_files(folder)
    return load_ablation(name, profile, files=carried)


def own_files(folder: Path) -> dict[str, str]:
    """What the newest usable record of a folder carries of own files."""
    records, _ = record.read_folder(folder / "runs")
    newest = max(records, key=lambda run: run.environment["date"], default=None)
    return dict(newest.files) if newest else {}
