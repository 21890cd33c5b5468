"""The C++ kernel ``lrn.cpp``, built once by the machine's compiler, called through ctypes."""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor

from alexbench.config.disk import open_whole, read_bytes
from alexbench.config.paths import cache_folder, make_private, writable_by_others
from alexbench.kernels.fused import Fused
from alexbench.kernels.window import Window

DIGEST_BYTES = hashlib.sha256().digest_size
SOURCE = Path(__file__).with_name("lrn.cpp")
FLAGS = [
    *("-std=c++17", "-O3", "-march=native", "-fPIC", "-fopenmp"),
    *("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"),
]

DTYPES = {torch.float32: "float32", torch.float64: "float64", torch.bfloat16: "bfloat16"}


class Unavailable(Exception):
    """Why there is no native kernel on this machine."""


class Problem(ctypes.Structure):
    """The struct of the same name in ``lrn.cpp``."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("images", "channels", "pixels", "before", "after")),
        *((name, ctypes.c_double) for name in ("scale", "beta", "k")),
        *((name, ctypes.c_int) for name in ("channels_last", "rectify", "threads")),
    )


def native(x: Tensor, window: Window, rectify: bool = False) -> Tensor:
    """Normalize columns (rows, C) or (images, C, pixels) of ``DTYPES`` along dim 1, on the CPU.

    rectify: normalizes max(x, 0), as after a ReLU.
    """
    y: Tensor = Fused.apply(x, partial(run, rectify=rectify), window, rectify)
    return y


def run(x: Tensor, gradient: Tensor | None, window: Window, rectify: bool = False) -> Tensor:
    """Either pass, on contiguous columns (see ``fused.Kernel``)."""
    out = torch.empty_like(x)
    images, channels, pixels = (1, *x.shape[::-1]) if x.dim() == 2 else x.shape
    before, after = window.reach(channels)
    problem = Problem(
        images, channels, pixels, before, after, window.scale, window.beta, window.k,
        x.dim() == 2, rectify, torch.get_num_threads(),
    )  # fmt: skip
    function = getattr(library(), f"lrn_{DTYPES[x.dtype]}")
    function(ctypes.byref(problem), *(pointer(t) for t in (x, gradient, out)))
    return out


def pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    """The address of a tensor's data; null for None."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


@cache
def why_unavailable() -> str | None:
    """None where the kernel can be used (it is built now if it never was), else the reason."""
    try:
        library()
    except Unavailable as error:
        return str(error)
    return None


@cache
def library() -> ctypes.CDLL:
    """Load the kernel, building it first where the cache does not hold it. Raises Unavailable."""
    path = cache_folder() / f"lrn-{identity()}.so"
    if private(path.parent) and whole(path):
        with suppress(OSError):  # of another system: built anew
            return ctypes.CDLL(str(path))
    return build(path)


def private(folder: Path) -> bool:
    """Whether only this user may write to the folder, which is made where it is missing.

    Code from a folder where others may write is never loaded. One line says so.
    """
    try:
        make_private(folder)
        if not writable_by_others(folder):
            return True
    except OSError:
        return False
    tell(
        f"{folder} can be written by others, so that no code is loaded from there and each process "
        "builds its own: chmod go-w it, or set ALEXBENCH_CACHE"
    )
    return False


def whole(path: Path) -> bool:
    """Whether a built kernel is there with the checksum at its end; one line says a wrong one."""
    try:
        content = read_bytes(path)
    except OSError:
        return False
    if hashlib.sha256(content[:-DIGEST_BYTES]).digest() == content[-DIGEST_BYTES:]:
        return True
    tell(f"{path}: damaged: built again")
    return False


def tell(line: str) -> None:
    """Print a line to stderr."""
    print(f"alexbench: {line}", file=sys.stderr)


def identity() -> str:
    """Hash of what decides the machine code. The compiler may change: a result's bits do not."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else [platform.processor()]
    processor = sorted({line for line in lines if line.startswith(("model name", "flags"))})
    parts = [SOURCE.read_text(), *FLAGS, platform.platform(), *processor]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def build(path: Path) -> ctypes.CDLL:
    """Compile and load the kernel, keep it at ``path`` if only this user writes there, and say so.

    Processes that build at once do not meet: each writes a file of its own and renames it. The
    file ends with its SHA-256, which a loader of libraries passes over. Raises Unavailable.
    """
    with tempfile.TemporaryDirectory(prefix="alexbench-") as name:
        built = Path(name) / path.name
        command = compiler()
        tell("building the LRN kernel for this processor, once")
        compile_source(command, built)
        content = built.read_bytes()
        with suppress(OSError):
            if not writable_by_others(path.parent):
                with open_whole(path) as file:
                    file.write(content + hashlib.sha256(content).digest())
                built = path
        try:
            return ctypes.CDLL(str(built))
        except OSError as error:  # for one, an OpenMP runtime that is not torch's
            raise Unavailable(f"the kernel that {command} built does not load: {error}") from None


def compiler() -> str:
    """``$CXX``, else g++, else c++. Raises Unavailable."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "c++"]
    if found := next(filter(None, map(shutil.which, names)), None):
        return found
    raise Unavailable(f"no C++ compiler ({' or '.join(names)}) on this machine")


def compile_source(command: str, built: Path) -> None:
    """Compile and link apart, so that -fopenmp brings in no OpenMP runtime beside torch's own."""
    compiled = built.with_suffix(".o")
    for step in (
        [command, *FLAGS, "-c", str(SOURCE), "-o", str(compiled)],
        [command, "-shared", str(compiled), "-o", str(built)],
    ):
        try:
            done = subprocess.run(step, capture_output=True, text=True, timeout=600)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"{command} does not run: {error}") from None
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no message"])[0]
            raise Unavailable(f"{command} cannot build the kernel: {reason}")
