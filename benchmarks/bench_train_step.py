"""A whole training step: forward, backward and update on one batch."""


def test_train_step(step, arm, time_step):
    time_step(step, arm)
