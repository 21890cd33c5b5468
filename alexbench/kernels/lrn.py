"""Local response normalization across channels: one function, several implementations by name."""

import importlib.util
import math
import os
import shutil
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from alexbench.errors import BadInput
from alexbench.kernels import native as native_kernel
from alexbench.kernels.banded import banded
from alexbench.kernels.native import native
from alexbench.kernels.slices import compiled, slices
from alexbench.kernels.window import Window, from_columns, to_columns

IMPLEMENTATIONS = ("torch", "slices", "banded", "compiled", "native", "triton")
FLOAT = (torch.float32, torch.float64)
HALF = (torch.float16, torch.bfloat16)


def local_response_norm(
    x: Tensor,
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    implementation: str = "auto",
    groups: int = 1,
    rectify: bool = False,
) -> Tensor:
    """Divide x, (N, C, ...), by ``(k + alpha / size * sum of x**2 over size channels) ** beta``.

    The parameters mean what they mean in ``torch.nn.functional.local_response_norm`` and have its
    defaults; the paper (section 3.3) leaves out the division by ``size``. The window of channel c
    runs from c - size // 2 to c - size // 2 + size - 1, clipped to c's own one of ``groups`` equal
    runs of channels: the paper's two GPUs are ``groups=2``. ``rectify`` takes max(x, 0) for x, as a
    ReLU before would; ``native`` does both in one pass over memory. The result has x's memory
    format. Raises BadInput.
    """
    window = Window(size, alpha, beta, k)
    check(x, window, groups)
    if implementation == "auto":
        implementation = resolve(x.device)
    elif reason := why_not(implementation, x.device):
        raise BadInput(f"local_response_norm: implementation {implementation!r}: {reason}")
    if rectify and implementation != "native":
        x = x.relu()
    if implementation == "torch":
        return torch_lrn(x, window, groups)
    columns = to_columns(x, groups)
    if implementation == "native":
        y = native(columns, window, rectify)
    elif x.dtype in HALF and implementation != "triton":  # which widens in its registers
        y = OF_COLUMNS[implementation](columns.float(), window).to(x.dtype)
    else:
        y = OF_COLUMNS[implementation](columns, window)
    return from_columns(y, x.shape)


def torch_lrn(x: Tensor, window: Window, groups: int) -> Tensor:
    """torch's own, a group at a time: the reference for speed."""
    parts = [functional.local_response_norm(part, *window) for part in x.chunk(groups, dim=1)]
    return parts[0] if groups == 1 else torch.cat(parts, dim=1)


def triton_lrn(x: Tensor, window: Window) -> Tensor:
    """Imported late: Triton is neither on every machine nor quick to import."""
    from alexbench.kernels import triton_lrn

    return triton_lrn.triton_lrn(x, window)


OF_COLUMNS: dict[str, Callable[[Tensor, Window], Tensor]] = {
    "slices": slices,
    "banded": banded,
    "compiled": compiled,
    "triton": triton_lrn,
}


def resolve(device: torch.device | str) -> str:
    """Name what ``auto`` runs here. It depends on device and machine, never on the tensor.

    On the CPU ``native`` where it can be built (built now if it never was, which it says on
    stderr), else ``banded``; on CUDA ``triton``, else ``slices``. The two of a pair differ in the
    last bits of a result, so a record names the one that ran.
    """
    device = torch.device(device)
    preferred = {"cpu": ("native", "banded"), "cuda": ("triton",)}.get(device.type, ())
    return next((name for name in preferred if not why_not(name, device)), "slices")


def why_not(implementation: str, device: torch.device | str) -> str | None:
    """None where that implementation can take such a tensor, else the reason in a few words."""
    device = torch.device(device)
    if implementation not in IMPLEMENTATIONS:
        return f"unknown; known are auto, {', '.join(IMPLEMENTATIONS)}"
    if implementation == "native":
        return native_kernel.why_unavailable() if device.type == "cpu" else "runs on the CPU alone"
    if implementation == "triton":
        return why_no_triton(device)
    if implementation == "compiled" and device.type == "cpu" and not has_compiler():
        return "torch.compile needs a C++ compiler, and there is none on this machine"
    return None


@cache
def has_compiler() -> bool:
    """Whether a C++ compiler is installed."""
    return any(map(shutil.which, [os.environ.get("CXX") or "g++", "c++", "clang++"]))


def has_c_compiler() -> bool:
    """Whether a C compiler is installed where Triton looks for one."""
    return "CC" in os.environ or finds_c_compiler(os.environ.get("PATH", ""))


@cache
def finds_c_compiler(path: str) -> bool:
    """Whether clang or gcc is in the folders of ``path``; asked in each step, so looked up once."""
    return any(shutil.which(name, path=path) for name in ("clang", "gcc"))


def why_no_triton(device: torch.device) -> str | None:
    """Why Triton cannot run on that device; None if it can."""
    if importlib.util.find_spec("triton") is None:
        return "the triton package is not installed"
    if os.environ.get("TRITON_INTERPRET") == "1":
        return None
    if device.type != "cuda":
        return f"needs a CUDA device, and the tensor is on {device.type}"
    if not has_c_compiler():
        return "Triton needs a C compiler (gcc, clang or $CC), and there is none on this machine"
    return None


def check(x: Tensor, window: Window, groups: int) -> None:
    """Refuse what no implementation can take. Raises BadInput."""
    where = "local_response_norm: "
    if x.dim() < 3:
        raise BadInput(f"{where}x has {x.dim()} dimensions, needs (N, C, ...) with at least 3")
    if x.dtype not in FLOAT + HALF or (x.dtype == torch.float16 and x.device.type == "cpu"):
        allowed = "float32, float64 or bfloat16 (on CUDA float16 too)"
        raise BadInput(f"{where}x is {x.dtype} on {x.device.type}, needs {allowed}")
    if not isinstance(window.size, int) or window.size < 1:
        raise BadInput(f"{where}size is {window.size}, needs a whole number from 1 on")
    if not (window.k > 0 and math.isfinite(window.k)):
        raise BadInput(f"{where}k is {window.k}, needs a finite number above 0")
    for name, value in (("alpha", window.alpha), ("beta", window.beta)):
        if not (value >= 0 and math.isfinite(value)):
            raise BadInput(f"{where}{name} is {value}, needs a finite number from 0 on")
    if groups < 1 or x.shape[1] < 1 or x.shape[1] % groups:
        raise BadInput(f"{where}{x.shape[1]} channels do not divide into {groups} groups")
