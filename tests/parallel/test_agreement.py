"""All placements of a net agree: outputs, gradients and whole trainings, over real processes."""

import subprocess
import sys
from typing import Any

import pytest
import torch

from alexbench.config.schema import ModelConfig
from alexbench.parallel import cost
from alexbench.parallel.group import library_of, open_store
from alexbench.parallel.placed import ProcessGroup
from tests.parallel import cases
from tests.tiny import CPU

TWO = ProcessGroup(devices=(CPU, CPU))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What two processes found over gloo, started once for all tests."""
    file = tmp_path_factory.mktemp("group") / "found.pt"
    store = open_store()
    group = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.parallel.cases", str(rank), str(store.port), str(file)]
        )
        for rank in range(2)
    ]
    assert [process.wait(timeout=600) for process in group] == [0, 0]
    return torch.load(file, weights_only=False)


@pytest.fixture(scope="module")
def alone() -> list[Any]:
    return [cases.one_step(net) for net in cases.NETS]


def assert_agree(ours: Any, theirs: Any) -> None:
    """Outputs and gradients, relative to the largest of each."""
    assert torch.allclose(ours[0], theirs[0], rtol=0, atol=1e-10 * float(theirs[0].abs().max()))
    assert ours[1].keys() == theirs[1].keys()
    for name, gradient in theirs[1].items():
        scale = float(gradient.abs().max())
        assert scale > 0, f"{name} learns nothing"
        assert torch.allclose(ours[1][name], gradient, rtol=0, atol=1e-10 * scale), name


@pytest.mark.parametrize("index", range(len(cases.NETS)))
def test_two_devices_of_one_process_give_the_outputs_and_gradients_of_one(index, alone):
    assert_agree(cases.one_step(cases.NETS[index], "two", TWO), alone[index])


@pytest.mark.slow
def test_two_devices_agree_on_alexnet_at_full_width():
    net = ModelConfig(init="fan_in")
    theirs = cases.one_step(net, side=224)
    assert_agree(cases.one_step(net, "two", TWO, side=224), theirs)


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_cuda_devices_give_the_outputs_and_gradients_of_one():
    first, second = torch.device("cuda:0"), torch.device("cuda:1")
    for net in cases.NETS:
        theirs = cases.one_step(net, device=first)
        ours = cases.one_step(net, "two", ProcessGroup(devices=(first, second)), first)
        on_cpu = {name: gradient.cpu() for name, gradient in theirs[1].items()}
        assert_agree(ours, (theirs[0], on_cpu, 0))


@pytest.mark.parametrize("placement", cases.PLACEMENTS)
def test_two_processes_give_the_outputs_and_gradients_of_one(placement, found, alone):
    for index, net in enumerate(cases.NETS):
        if cases.can(placement, net):
            assert_agree(found["steps"][placement, index], alone[index])


@pytest.mark.parametrize("placement", ["two", *cases.PLACEMENTS])
def test_ten_steps_of_training_agree_whatever_the_placement(placement, found):
    ours = (
        cases.trained("ten_steps", "two", TWO)
        if placement == "two"
        else found["runs"][placement, "ten_steps"]
    )
    theirs = cases.trained("ten_steps")
    for mine, their in zip(ours["history"], theirs["history"], strict=True):
        assert mine["train_loss"] == pytest.approx(their["train_loss"], abs=1e-4)
        for key in ("running_train_error", "train_error", "test_error"):
            assert mine[key] == their[key]
        assert mine["exchanged_bytes"] > 0
        assert "exchanged_bytes" not in their
    for name, weight in theirs["weights"].items():
        assert torch.allclose(ours["weights"][name], weight, rtol=0, atol=1e-4)
    assert torch.equal(ours["predicted"], theirs["predicted"])


@pytest.mark.parametrize("placement", ["data_parallel", "hybrid"])
def test_two_processes_with_64_images_each_learn_as_one_with_128(placement, found):
    ours = [row["train_loss"] for row in found["runs"][placement, "curve"]["history"]]
    theirs = [row["train_loss"] for row in cases.trained("curve")["history"]]
    assert len(theirs) == 20
    assert theirs[-1] < theirs[0] - 0.1  # there is something to agree on
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_the_processes_send_what_the_cost_model_says(found, alone):
    index = next(i for i, net in enumerate(cases.NETS) if net.columns == "two_columns")
    parameters = sum(gradient.numel() for gradient in alone[index][1].values())
    # alexnet at width 1/16 and 67 pixels: conv3 sees 3x3 maps of 8 kernels a column, fc6 8 units
    links = 2 * (3 * 3 * 8 + 8 + 128 + 128)
    net = cost.Net(parameters, 0, 0, 0, features=0, links=links, fc_units=0, classes=5)
    for placement, model in (("processes", "columns"), ("data_parallel", "data_parallel")):
        sent = found["steps"][placement, index][2]
        assert sent == 2 * cost.sent_bytes(net, model, 2, cases.IMAGES)  # float64


def test_processes_on_gpus_talk_by_nccl_unless_gloo_is_asked_for():
    cuda = torch.device("cuda:0")
    chosen = [library_of(on, ask) for on in (cuda, CPU) for ask in ("auto", "gloo")]
    assert chosen == ["nccl", "gloo", "gloo", "gloo"]
