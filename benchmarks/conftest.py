"""How the benchmarks run: which device, which arms, and what is written beside each time."""

import functools
import time
from dataclasses import asdict

import pytest
import torch
from clock import Clock

from alexbench.bench.arms import Arm, arms, conv_arms, net_arms, settings
from alexbench.bench.calls import fit, make_call
from alexbench.bench.cost import cost
from alexbench.bench.gate.counters import peak_memory_bytes
from alexbench.bench.machine import fingerprint
from alexbench.bench.peaks import measure_peaks
from alexbench.bench.shapes import CONVS, NETS, NORMS, POOLS, STEPS
from alexbench.bench.steps import (
    NET_CLASSES,
    NET_SIDE,
    net_call,
    net_config,
    net_cost,
    step_call,
    step_config,
    step_cost,
)
from alexbench.bench.timing import clocks, measure, noise
from alexbench.kernels import IMPLEMENTATIONS, why_not
from alexbench.launch.slots import one_device
from alexbench.training.allocator import keep_memory
from alexbench.training.numerics import format_name, memory_format, use
from alexbench.training.telemetry import Telemetry, judge, reader

CLOCK = Clock()
SHAPES = {"conv": CONVS, "norm": NORMS, "pool": POOLS, "step": STEPS, "net": NETS}
# searches of cuDNN last: where the time ends, what is worth most is there
WORTH = ("norm", "step", "net", "conv", "pool")


def pytest_addoption(parser):
    parser.addoption("--device", default="auto", help="auto, cpu, cuda or cuda:<index>")
    parser.addoption("--rounds", type=int, default=10, help="samples of each row")
    parser.addoption("--until", type=float, help="seconds since 1970; then the rest is left out")
    parser.addoption("--threads", type=int, default=None, help="CPU threads; default: torch's own")


def chosen_device(config):
    return torch.device(one_device(config.getoption("device")))


def pytest_configure(config):
    keep_memory()
    use(chosen_device(config))
    if threads := config.getoption("threads"):
        torch.set_num_threads(threads)


def pytest_generate_tests(metafunc):
    """A test that asks for one of SHAPES gets each of these in each of its arms."""
    device = chosen_device(metafunc.config)
    for kind, shapes in SHAPES.items():
        if kind in metafunc.fixturenames:
            metafunc.parametrize(kind, shapes, ids=[shape.name for shape in shapes])
            choices = arms_of(kind, device)
            metafunc.parametrize("arm", choices, ids=[arm.name for arm in choices])


def arms_of(kind, device):
    """``compiled`` is left out: torch.compile takes up to a minute a shape to start."""
    if kind == "norm":
        here = [n for n in IMPLEMENTATIONS if not why_not(n, device)]
        return arms(device, tuple(name for name in here if name != "compiled"))
    if kind == "step":
        precisions = ("ieee", "tf32", "bf16") if device.type == "cuda" else ("ieee",)
        layouts = {each: format_name(memory_format(each, device)) for each in precisions}
        return [Arm("step", layouts[each], each, implementation="auto") for each in precisions]
    if kind == "net":
        return net_arms(device)
    return conv_arms(device) if kind == "conv" else arms(device)


def pytest_collection_modifyitems(items):
    def worth(item):
        tuned = item.callspec.params["arm"].cudnn_benchmark
        return tuned, next(number for number, kind in enumerate(WORTH) if kind in item.fixturenames)

    items.sort(key=worth)
    for item in items:
        item.add_marker(pytest.mark.benchmark(timer=CLOCK))


def pytest_runtest_setup(item):
    until = item.config.getoption("until")
    if until is not None and time.time() > until:
        pytest.skip("no time is left")


def pytest_benchmark_update_machine_info(config, machine_info):
    machine_info["alexbench"] = fingerprint(chosen_device(config))


@pytest.fixture(scope="session")
def device(request):
    return chosen_device(request.config)


@pytest.fixture(scope="session")
def peaks_of(device):
    """The measured ceilings of a precision, measured when it is first asked for."""
    measured = {}

    def peaks_of(arm):
        if arm.precision not in measured:
            with settings(arm, device):
                measured[arm.precision] = measure_peaks(device, arm.dtype)
        return measured[arm.precision]

    return peaks_of


@pytest.fixture(scope="session")
def fitted(device):
    """The size at which a layer is timed, the same in all its arms."""
    sizes = {}
    return lambda shape: sizes.get(shape) or sizes.setdefault(shape, fit(shape, device))


@pytest.fixture
def time_layer(device, fitted, record):
    def time_layer(shape, arm):
        sized, batch = fitted(shape)
        work = cost(sized, arm.direction, batch, arm.dtype.itemsize)
        size = {"shape": shape.name, "batch": batch, "side": sized.side}
        record(lambda: make_call(sized, arm, batch, device), arm, work, size)

    return time_layer


@pytest.fixture
def time_step(device, record):
    def time_step(step, arm):
        batch = step.cuda_batch if device.type == "cuda" else step.cpu_batch
        config = step_config(step, arm.precision)
        fused = device.type == "cuda" and why_not("triton", device) is None
        work = step_cost(config, step.num_classes, batch, fused)
        size = {"shape": step.name, "batch": batch, "side": step.input_size}
        record(lambda: step_call(config, step.num_classes, batch, device), arm, work, size)

    return time_step


@pytest.fixture
def time_net(device, record):
    def time_net(net, arm):
        batch = net.cuda_batch if device.type == "cuda" else net.cpu_batch
        work = net_cost(net_config(net, arm.precision), NET_CLASSES, batch, arm.direction)
        size = {"shape": net.name, "batch": batch, "side": NET_SIDE}
        record(lambda: net_call(net, arm, batch, device), arm, work, size)

    return time_net


@pytest.fixture
def record(benchmark, device, peaks_of, request):
    """Time a call and keep with its samples what is needed to judge them."""

    def record(make, arm, work, size):
        peaks = peaks_of(arm)
        with settings(arm, device):
            made = functools.cache(make)  # once, for its memory and for its times
            memory = peak_memory_bytes(made, device)
            before = clocks(device)
            with Telemetry(reader(device)) as telemetry:
                samples = measure(made(), device, request.config.getoption("rounds"))
            after = clocks(device)
        CLOCK.load(samples)
        benchmark.pedantic(CLOCK.advance, setup=CLOCK.rewind, rounds=len(samples))
        benchmark.extra_info.update(
            kind=request.node.originalname.removeprefix("test_"),
            **size,
            **asdict(arm),
            flops=work.flops,
            bytes=work.bytes,
            peak_memory_bytes=memory,
            **asdict(peaks),
            clocks=[before, after],
            telemetry=judge(telemetry.readings),
            noise=noise(samples),
        )

    return record
