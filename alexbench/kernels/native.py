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
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from alexbench.config.paths import cache_folder
from alexbench.kernels.fused import Fused
from alexbench.kernels.window import Window

SOURCE = Path(__file__).with_name("lrn.cpp")
FLAGS = [
    *("-std=c++17", "-O3", "-march=native", "-fPIC", "-fopenmp"),
    *("-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"),
]


class Unavailable(Exception):
    """Why there is no native kernel on this machine."""


class Problem(ctypes.Structure):
    """The struct of the same name in ``lrn.cpp``."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("images", "channels", "pixels", "before", "after")),
        *((name, ctypes.c_double) for name in ("scale", "beta", "k")),
        *((name, ctypes.c_int) for name in ("channels_last", "threads")),
    )


def native(x: Tensor, window: Window) -> Tensor:
    """Normalize columns (rows, C) or (images, C, pixels) along dim 1; float32 or float64, CPU."""
    y: Tensor = Fused.apply(x, run, window)
    return y


def run(x: Tensor, gradient: Tensor | None, window: Window) -> Tensor:
    """Either pass, on contiguous columns (see ``fused.Kernel``)."""
    out = torch.empty_like(x)
    images, channels, pixels = (1, *x.shape[::-1]) if x.dim() == 2 else x.shape
    before, after = window.reach(channels)
    problem = Problem(
        images, channels, pixels, before, after, window.scale, window.beta, window.k,
        x.dim() == 2, torch.get_num_threads(),
    )  # fmt: skip
    function = library().lrn_float if x.dtype == torch.float32 else library().lrn_double
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
    try:
        return ctypes.CDLL(str(path))
    except OSError:  # not built yet, or damaged
        return build(path)


def identity() -> str:
    """Hash of what decides the machine code. The compiler may change: a result's bits do not."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else [platform.processor()]
    processor = sorted({line for line in lines if line.startswith(("model name", "flags"))})
    parts = [SOURCE.read_text(), *FLAGS, platform.platform(), *processor]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def build(path: Path) -> ctypes.CDLL:
    """Compile and load the kernel, keep it at ``path`` if that can be written, and say so.

    Processes that build at once do not meet: each writes a file of its own and renames it.
    Raises Unavailable.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix="build-", dir=path.parent)
    except OSError:
        folder = tempfile.TemporaryDirectory(prefix="alexbench-")
    with folder as name:
        built = Path(name) / path.name
        command = compiler()
        print("alexbench: building the LRN kernel for this processor, once", file=sys.stderr)
        compile_source(command, built)
        with suppress(OSError):
            built = built.replace(path)
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
            done = subprocess.run(step, capture_output=True, text=True, timeout=120)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"{command} does not run: {error}") from None
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no message"])[0]
            raise Unavailable(f"{command} cannot build the kernel: {reason}")
