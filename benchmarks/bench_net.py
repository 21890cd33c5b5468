"""Whole nets on photographs, as in convnet-benchmarks: the forward pass, and both passes."""


def test_net(net, arm, time_net):
    time_net(net, arm)
