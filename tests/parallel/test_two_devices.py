"""Two columns in one process: both are at work at the same time."""

import threading

import pytest
import torch
from torch import nn

from alexbench.parallel.collectives import Traffic
from alexbench.parallel.two_devices import TwoDevices
from tests.tiny import CPU

TOGETHER = threading.Barrier(2, timeout=20)


class Meet(torch.autograd.Function):
    """Goes on, forward and backward, when two threads are there: alone it would wait in vain."""

    @staticmethod
    def forward(ctx, x):
        TOGETHER.wait()
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        TOGETHER.wait()
        return gradient


class MeetingPoint(nn.Module):
    def forward(self, x):
        return Meet.apply(x)


@pytest.mark.parametrize("training", [True, False])
def test_both_columns_are_in_flight_at_the_same_time_forward_and_backward(training):
    layers = [("fc6", nn.Linear(3, 8)), ("meet", MeetingPoint()), ("fc7", nn.Linear(8, 4))]
    net = TwoDevices(layers, [CPU, CPU], Traffic())
    with torch.set_grad_enabled(training):
        logits = net(torch.ones(5, 3))
    whole = nn.Sequential(layers[0][1], layers[2][1])
    assert torch.allclose(logits, whole(torch.ones(5, 3)))
    if training:
        logits.sum().backward()
        assert all(weight.grad is not None for weight in net.parameters())


def test_copies_and_the_gradients_on_their_way_back_are_counted():
    layers = [("fc6", nn.Linear(3, 8)), ("fc7", nn.Linear(8, 4))]
    traffic = Traffic()
    TwoDevices(layers, [CPU, CPU], traffic)(torch.ones(5, 3))
    halves = 2 * 5 * 4  # units of each column to the other
    logits = 5 * 2  # of the second column to the first
    assert traffic.sent_bytes == 2 * 4 * (halves + logits)
