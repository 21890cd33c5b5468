"""Precision and memory format by device, without a GPU where torch shows its switches."""

import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F
from torch.nn.modules.module import register_module_forward_pre_hook

from alexbench.config.schema import TrainConfig
from alexbench.errors import BadInput
from alexbench.kernels import local_response_norm
from alexbench.training.numerics import (
    autocast,
    check_precision,
    cpu_has_bf16,
    has_bf16,
    memory_format,
    prepare,
    uses_graph,
)
from alexbench.training.train import start, train, train_step, warm_up
from tests.operators import Operators
from tests.tiny import CPU, tiny_config, tiny_data

CUDA = torch.device("cuda:0")

BOTH_INTERFACES = """
import torch
from alexbench.training.numerics import set_float32
for precision, allowed, word in (("tf32", True, "high"), ("ieee", False, "highest")):
    set_float32(precision)
    assert torch.backends.cuda.matmul.allow_tf32 is allowed
    assert torch.backends.cudnn.allow_tf32 is allowed
    assert torch.get_float32_matmul_precision() == word
    assert (torch.backends.cuda.matmul.fp32_precision == "tf32") is allowed
    assert (torch.backends.cudnn.conv.fp32_precision == "tf32") is allowed
"""


def test_both_of_torchs_interfaces_say_which_precision_was_set():
    done = subprocess.run(
        [sys.executable, "-c", BOTH_INTERFACES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_bf16_is_refused_on_a_processor_without_its_instructions():
    assert has_bf16("processor: 0\nflags\t\t: fpu avx2 amx_bf16 sse\n")
    assert has_bf16("flags : avx512_bf16\n")
    assert not has_bf16("flags\t\t: fpu avx2 avx512f\nmodel name: avx512_bf16\n")
    assert not has_bf16("")
    if cpu_has_bf16():
        pytest.skip("this processor has them")
    with pytest.raises(BadInput, match=r"^train.precision bf16: this processor has neither"):
        check_precision("bf16", CPU)


def test_tf32_is_refused_on_a_cpu_which_would_compute_as_ieee_does():
    with pytest.raises(BadInput, match=r"^train.precision tf32: a CPU has no such products"):
        prepare(TrainConfig(precision="tf32"), CPU)
    check_precision("ieee", CPU)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, which can be chosen")
def test_a_run_makes_its_gpu_the_current_one_before_anything_else():
    """Kernels and events go to the current device: without a GPU the choice itself fails."""
    with pytest.raises(RuntimeError, match="NVIDIA driver") as failed:
        prepare(TrainConfig(), CUDA)
    assert "torch.cuda.set_device(device)" in str(failed.traceback[2])


def test_float32_on_cuda_is_in_torchs_own_memory_format_and_all_else_channels_last():
    assert memory_format("ieee", CUDA) == torch.contiguous_format
    others = [("tf32", CUDA), ("bf16", CUDA), ("ieee", CPU), ("bf16", CPU)]
    assert {memory_format(*other) for other in others} == {torch.channels_last}


def test_a_step_in_bf16_keeps_weights_gradients_and_loss_in_float32():
    losses = {}
    for precision in ("ieee", "bf16"):
        model = {"lrn": "both", "lrn_order": "after_pool"}
        state = start(tiny_config(model=model, train={"precision": precision}), 3, 0, CPU)
        generator = torch.Generator().manual_seed(0)
        inputs = torch.randn(8, 3, 16, 16, generator=generator)
        labels = torch.arange(8) % 3
        loss, logits = train_step(state, inputs, labels)
        losses[precision] = float(loss)
        assert logits.dtype == (torch.bfloat16 if precision == "bf16" else torch.float32)
        assert loss.dtype == torch.float32
        tensors = [*state.net.parameters(), *(w.grad for w in state.net.parameters())]
        tensors += [slot["velocity"] for slot in state.optimizer.state.values()]
        assert {tensor.dtype for tensor in tensors} == {torch.float32}
    assert losses["bf16"] != losses["ieee"]
    assert losses["bf16"] == pytest.approx(losses["ieee"], rel=1e-2)


def test_normalization_of_bf16_sums_in_float32():
    x = (100 * torch.randn(2, 64, 4, 4, generator=torch.Generator().manual_seed(0))).bfloat16()
    exact = F.local_response_norm(x.double(), 5, 5e-1, 0.75, 2.0)
    with autocast("bf16", CPU):
        y = local_response_norm(x, 5, 5e-1, 0.75, 2.0)
    assert y.dtype == torch.bfloat16
    assert ((y.double() - exact) / exact).abs().max() < 2**-8  # one rounding, of the result


def test_cudnns_search_is_on_for_the_run_that_asks_for_it_alone():
    try:
        for asked in (True, False):
            prepare(TrainConfig(cudnn_benchmark=asked), CPU)
            assert torch.backends.cudnn.benchmark is asked
    finally:
        torch.backends.cudnn.benchmark = False


def test_a_step_is_a_graph_on_cuda_for_one_device_and_sgd_alone():
    asked = TrainConfig(cuda_graph=True)
    assert uses_graph(asked, CUDA)
    assert not uses_graph(asked, CPU)
    assert not uses_graph(TrainConfig(), CUDA)
    for keys in ({"placement": "processes"}, {"optimizer": "adam"}):
        assert not uses_graph(asked.model_copy(update=keys), CUDA)


@pytest.mark.parametrize(("count", "sizes"), [(48, {16}), (50, {16, 2}), (9, {9})])
def test_warming_up_takes_steps_of_every_size_that_an_epoch_has_and_ends_with_a_whole_batch(
    count, sizes
):
    seen = []

    def look(layer, given):
        if isinstance(layer, torch.nn.Conv2d):
            seen.append(len(given[0]))

    hook = register_module_forward_pre_hook(look)
    try:
        warm_up(tiny_config(), 3, count, CPU)
    finally:
        hook.remove()
    assert set(seen) == sizes
    assert seen[-1] == max(sizes)


def test_warming_up_calls_all_that_the_batches_of_a_run_call():
    augment = {"crops": True, "mirror": True, "pca_colour": "paper"}
    config, data = tiny_config(augment=augment, train={"epochs": 1}), tiny_data(50)
    in_training, warming = set(), set()

    def leave(epochs_done, *_):
        if epochs_done == 1:
            raise InterruptedError  # before the evaluation

    with Operators(lambda name, *_: in_training.add(name)), pytest.raises(InterruptedError):
        train(config, data, 0, CPU, leave)
    with Operators(lambda name, *_: warming.add(name)):
        warm_up(config, 3, 50, CPU)
    once = {"aten::randperm.generator", "aten::exponential_"}
    assert in_training - warming - once == set()
    assert {"aten::argmax", "aten::index_select", "aten::nonzero"} <= warming


def test_warming_up_takes_nothing_from_any_random_stream():
    model = {"hidden_units": 8, "dropout": 0.5}
    before = torch.get_rng_state()
    assert warm_up(tiny_config(model=model), 3, 48, CPU) > 0
    assert torch.equal(torch.get_rng_state(), before)
