"""What a training step asks of the host, counted on the meta device: copies that block, and waits.

The meta device stands for a GPU: every operator goes by, and nothing is computed.
"""

import pytest
import torch

from alexbench.data import Pixels
from alexbench.data.batches import one_ahead
from alexbench.data.dataset import HeldSplit
from alexbench.data.transfer import send
from alexbench.training.optimizer import build_optimizer
from alexbench.training.recorded import WARM_STEPS, RecordedStep
from alexbench.training.state import Running
from alexbench.training.train import draw_epoch, feed, learn, start, train_step
from tests.operators import Operators
from tests.tiny import CPU, tiny_config

META = torch.device("meta")
WAITS = ("aten::nonzero", "aten::_local_scalar_dense", "aten::item", "aten::masked_select")


class Watch(Operators):
    """Copies from the host by whether they may go on in the background, and operators that wait."""

    def __init__(self) -> None:
        super().__init__(self.see)
        self.blocking, self.queued, self.waits = [], [], []
        self.operators = 0

    def see(self, full_name, arguments, named):
        tensors = [each for each in arguments if isinstance(each, torch.Tensor)]
        name = full_name.split(".")[0]
        self.operators += name != "aten::split"
        to_device = name == "aten::_to_copy" and named.get("device") == META
        if to_device and tensors[0].device.type == "cpu":
            (self.queued if named.get("non_blocking") else self.blocking).append(name)
        if name in WAITS and tensors[0].device.type == "meta":
            self.waits.append(name)


def an_epoch(config, images):
    """What a whole epoch of ``train`` asks of the host: draws, batches, inputs, steps, sums."""
    split = HeldSplit(torch.zeros(images, 18, 18, 3, dtype=torch.uint8), torch.zeros(images).long())
    split.on(META)  # once a run
    pixels = Pixels(split, config.data, config.augment, META)
    state = start(config, 3, 0, CPU)
    state.net.to(META)
    state.optimizer, state.running = build_optimizer(state.net, config.train), Running.on(META)
    with Watch() as seen:
        for batch in feed(state, split, draw_epoch(state, pixels, images, 4), 4):
            learn(pixels, state, batch)
            state.running.images += state.share.whole
    assert state.running.images == images
    return seen


@pytest.mark.parametrize("images", [4, 30])
def test_an_epoch_is_sent_to_the_device_at_once_and_its_steps_ask_nothing_of_the_host(images):
    plain = {"crops": True, "mirror": True, "pca_colour": "none"}
    for augment, sent in ((plain, 3), (plain | {"pca_colour": "paper", "padding": 1}, 4)):
        config = tiny_config(augment=augment, train={"batch_size": 4})
        seen = an_epoch(config, images)  # order, corners and mirrored images; colours
        assert (len(seen.queued), seen.blocking, seen.waits) == (sent, [], [])


@pytest.mark.parametrize("views", ["centre", "ten_crop"])
def test_views_for_a_test_need_nothing_of_the_host(views):
    config = tiny_config()
    split = HeldSplit(torch.zeros(5, 18, 18, 3, dtype=torch.uint8), torch.zeros(5).long())
    pixels = Pixels(split, config.data, config.augment, META)
    images = split.images.to(META)
    with Watch() as seen:
        assert len(list(pixels.views(images, views))) == {"centre": 1, "ten_crop": 10}[views]
    assert (seen.queued, seen.blocking, seen.waits) == ([], [], [])


def test_beside_a_recorded_step_a_batch_costs_the_host_few_operators():
    config = tiny_config(
        augment={"crops": True, "mirror": True, "pca_colour": "paper"}, train={"batch_size": 4}
    )
    split = HeldSplit(torch.zeros(48, 18, 18, 3).byte(), torch.zeros(48).long())
    pixels, state = Pixels(split, config.data, config.augment, CPU), start(config, 3, 0, CPU)
    step = RecordedStep(lambda state, batch: None, 4, lambda call: call, lambda call: call)
    drawn = draw_epoch(state, pixels, 48, 4)
    for number, batch in enumerate(feed(state, split, drawn, 4)):
        if number <= WARM_STEPS:  # the last of these is recorded
            step(state, batch)
    drawn = draw_epoch(state, pixels, 48, 4)
    with Watch() as seen:
        for batch in feed(state, split, drawn, 4):
            step(state, batch)
    # images and labels are gathered, five tensors copied, and the host counts the share's rows
    assert seen.operators // 12 == 2 + 5 + 2


def test_the_step_itself_asks_nothing_of_the_host():
    state = start(tiny_config(), 3, 0, CPU)
    state.net.to(META)
    state.optimizer = build_optimizer(state.net, tiny_config().train)
    inputs, labels = torch.empty(16, 3, 16, 16, device=META), torch.zeros(16, device=META).long()
    with Watch() as seen:
        train_step(state, inputs, labels)
    assert (seen.queued, seen.blocking, seen.waits) == ([], [], [])


def test_the_watch_sees_a_copy_that_blocks_and_a_wait():
    host, device = torch.ones(3), torch.ones(3, device=META)
    with Watch() as seen:
        host.to(META)
        send(host, META)
        try:
            device.nonzero()
        except (NotImplementedError, RuntimeError):
            pass
    assert (len(seen.blocking), len(seen.queued), len(seen.waits)) == (1, 1, 1)


def test_on_the_cpu_nothing_is_copied():
    host = torch.ones(3)
    assert send(host, CPU) is host


def test_a_batch_is_handed_out_once_the_next_one_is_on_its_way():
    made = []

    def make():
        for number in range(3):
            made.append(number)
            yield number

    handed = [(item, len(made)) for item in one_ahead(make())]
    assert handed == [(0, 2), (1, 3), (2, 3)]
    assert list(one_ahead(iter([]))) == []
