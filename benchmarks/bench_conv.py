"""The convolutions and the pools of the nets, forward and backward, in both memory formats."""


def test_conv(conv, arm, time_layer):
    time_layer(conv, arm)


def test_pool(pool, arm, time_layer):
    time_layer(pool, arm)
