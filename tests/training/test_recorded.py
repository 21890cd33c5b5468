"""A step that is recorded and replayed; on a CPU a second call stands for a graph's replay."""

import math
import time
from functools import partial

import pytest
import torch

from alexbench.config.schema import TrainConfig
from alexbench.data import Batch, Pixels
from alexbench.data.augment import Change
from alexbench.training.optimizer import PaperSGD, set_learning_rate
from alexbench.training.recorded import WARM_STEPS, RecordedStep, recorded
from alexbench.training.train import learn, start, train
from tests.tiny import CPU, tiny_config, tiny_data

CONFIG = tiny_config(train={"weight_decay": 0.01})
PIXELS = Pixels(tiny_data(48).train, CONFIG.data, CONFIG.augment, CPU)
STEP = partial(learn, PIXELS)


def batch_of(size, generator, coloured=True):
    """Stored images of 18 pixels with labels, moved, mirrored and recoloured at random."""
    images = torch.randint(256, (size, 18, 18, 3), generator=generator).to(torch.uint8)
    labels = torch.randint(3, (size,), generator=generator)
    rows = torch.arange(size) * 18 + torch.randint(3, (size,), generator=generator)
    mirrored = torch.rand(size, generator=generator) < 0.5
    shift = torch.randn(size, 3, generator=generator) if coloured else None
    return Batch(images, labels, Change(rows * 18, mirrored, shift))


def losses(step, state, sizes, plain_from=math.inf):
    """The sum of the losses after each step; from a step on the batches have no colour noise."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for number, size in enumerate(sizes):
        set_learning_rate(state.optimizer, 0.1 / (1 + number))
        state.share.begin(size)
        step(state, batch_of(size, generator, coloured=number < plain_from))
        found.append(float(state.running.loss))
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
    plain = losses(STEP, start(CONFIG, 3, 0, CPU), sizes)
    own = RecordedStep(STEP, 16, record, warm)
    assert losses(own, start(CONFIG, 3, 0, CPU), sizes) == plain
    assert (len(recordings), len(warmed)) == (1, WARM_STEPS)


def test_batches_of_other_kinds_are_recorded_anew_once_the_old_recording_is_gone():
    kept = []

    def record(call):
        kept.append((own.replay, own.batch))
        return call

    sizes, last = [16] * (WARM_STEPS + 5), WARM_STEPS + 3
    plain = losses(STEP, start(CONFIG, 3, 0, CPU), sizes, plain_from=last)
    own = RecordedStep(STEP, 16, record, lambda call: call)
    assert losses(own, start(CONFIG, 3, 0, CPU), sizes, plain_from=last) == plain
    assert kept == [(None, None)] * 2


def test_what_is_recorded_reads_and_writes_the_same_addresses_in_every_epoch():
    state = start(CONFIG, 3, 0, CPU)
    step = RecordedStep(STEP, 16, lambda call: call, lambda call: call)
    losses(step, state, [16] * (WARM_STEPS + 1))
    read = [*step.batch.tensors(), state.running.loss, state.running.wrong]
    places = [tensor.data_ptr() for tensor in read]
    state.end_epoch({})
    assert float(state.running.loss) == int(state.running.wrong) == 0
    losses(step, state, [16] * 2)
    read = [*step.batch.tensors(), state.running.loss, state.running.wrong]
    assert [tensor.data_ptr() for tensor in read] == places


def test_no_epochs_time_has_the_recordings():
    def record(call):
        time.sleep(0.2)
        return call

    state = start(CONFIG, 3, 0, CPU)
    state.epoch_began = 7.0
    step = RecordedStep(STEP, 16, record, lambda call: call)
    losses(step, state, [16] * WARM_STEPS)
    assert state.epoch_began == 7.0
    losses(step, state, [16])
    assert state.epoch_began >= 7.2
    began = state.epoch_began
    losses(step, state, [16, 5])
    assert state.epoch_began == began


def test_on_a_cpu_the_step_is_taken_as_it_is():
    state = start(CONFIG, 3, 0, CPU)
    assert recorded(STEP, TrainConfig(cuda_graph=True), state, CPU) is STEP


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
    augment = {"padding": 2, "crops": True, "pca_colour": "paper", "pca_epochs": 2}
    model = {"lrn": "both", "lrn_order": "after_pool", "hidden_units": 16, "dropout": 0.5}
    found = []
    for cuda_graph in (False, True):
        own = keys | {"cuda_graph": cuda_graph}
        config = tiny_config(augment=augment, model=model, train=own)
        done = train(config, tiny_data(200), 0, torch.device("cuda:0"), lambda *_: None)
        found.append([row["train_loss"] for row in done.history])
    assert found[1] == pytest.approx(found[0], rel=1e-4 if precision == "ieee" else 1e-2)
