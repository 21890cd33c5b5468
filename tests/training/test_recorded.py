"""A step that is recorded and replayed; on a CPU a second call stands for a graph's replay."""

import time

import pytest
import torch

from alexbench.config.schema import TrainConfig
from alexbench.training.optimizer import PaperSGD, set_learning_rate
from alexbench.training.recorded import WARM_STEPS, RecordedStep, recorded
from alexbench.training.train import start, train, train_step
from tests.tiny import CPU, tiny_config, tiny_data

CONFIG = tiny_config(train={"weight_decay": 0.01})


def losses(step, state, sizes):
    generator = torch.Generator().manual_seed(0)
    found = []
    for number, size in enumerate(sizes):
        set_learning_rate(state.optimizer, 0.1 / (1 + number))
        inputs = torch.randn(size, 3, 16, 16, generator=generator)
        labels = torch.randint(3, (size,), generator=generator)
        found.append(float(step(state, inputs, labels)[0]))
    return found


def test_a_recorded_step_trains_as_the_step_itself_with_other_rates_and_a_short_batch():
    recordings, warmed = [], []

    def record(call):
        recordings.append(call)
        return call

    def warm(call):
        warmed.append(call)
        return call

    sizes = [16] * (WARM_STEPS + 3) + [5] + [16] * 2
    plain = losses(train_step, start(CONFIG, 3, 0, CPU), sizes)
    own = RecordedStep(train_step, 16, record, warm)
    assert losses(own, start(CONFIG, 3, 0, CPU), sizes) == plain
    assert (len(recordings), len(warmed)) == (1, WARM_STEPS)


def test_no_epochs_time_has_the_recordings():
    def record(call):
        time.sleep(0.2)
        return call

    state = start(CONFIG, 3, 0, CPU)
    state.epoch_began = 7.0
    step = RecordedStep(train_step, 16, record, lambda call: call)
    losses(step, state, [16] * WARM_STEPS)
    assert state.epoch_began == 7.0
    losses(step, state, [16])
    assert state.epoch_began >= 7.2
    began = state.epoch_began
    losses(step, state, [16, 5])
    assert state.epoch_began == began


def test_on_a_cpu_the_step_is_taken_as_it_is():
    state = start(CONFIG, 3, 0, CPU)
    assert recorded(train_step, TrainConfig(cuda_graph=True), state, CPU) is train_step


def test_rates_are_written_to_the_device_when_they_change_and_only_then():
    weights = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    groups = [
        {"params": [weight], "lr_factor": factor}
        for weight, factor in zip(weights, (1, 2), strict=True)
    ]
    optimizer = PaperSGD(groups, lr=0.0, momentum=0.9)
    set_learning_rate(optimizer, 0.5)
    optimizer.send_rates()
    places = [rates[CPU] for rates in optimizer.rates]
    assert [float(place) for place in places] == [0.5, 1.0]
    places[0].fill_(7.0)
    optimizer.send_rates()
    assert float(places[0]) == 7.0  # nothing new, nothing written
    set_learning_rate(optimizer, 0.25)
    optimizer.send_rates()
    assert [float(place) for place in places] == [0.25, 0.5]  # at the same addresses


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["ieee", "bf16"])
def test_on_cuda_a_run_with_the_graph_has_the_losses_of_one_without(precision):
    keys = {"precision": precision, "epochs": 3, "schedule": "linear"}
    model = {"lrn": "both", "lrn_order": "after_pool", "hidden_units": 16, "dropout": 0.5}
    found = []
    for cuda_graph in (False, True):
        config = tiny_config(model=model, train=keys | {"cuda_graph": cuda_graph})
        done = train(config, tiny_data(200), 0, torch.device("cuda:0"), lambda *_: None)
        found.append([row["train_loss"] for row in done.history])
    assert found[1] == pytest.approx(found[0], rel=1e-4 if precision == "ieee" else 1e-2)
