"""Memory of a training step on a CPU, counted by hand."""

import torch
from torch import nn

from alexbench import models
from alexbench.training.memory import (
    WORKSPACE_BYTES,
    gpu_bytes,
    peak_memory_bytes,
    saved_bytes,
    step_bytes,
)
from tests.tiny import CPU, tiny_config, tiny_data


def test_weights_gradients_velocities_and_what_the_forward_pass_keeps():
    config = tiny_config(augment={"crop_size": 2, "pca_colour": "none"}, train={"batch_size": 10})
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.Tanh())
    weights = 4 * (12 * 4 + 4)
    kept_per_image = 4 * (12 + 4)  # the linear layer's input, the output of tanh
    assert peak_memory_bytes(net, config, CPU) == 3 * weights + 10 * kept_per_image


def test_adam_keeps_one_more_copy_of_the_weights():
    sgd, adam = (tiny_config(train={"optimizer": name}) for name in ("sgd", "adam"))
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 2))
    copy = 4 * (3 * 16 * 16 * 2 + 2)
    assert peak_memory_bytes(net, adam, CPU) - peak_memory_bytes(net, sgd, CPU) == copy


def test_in_bf16_what_the_forward_pass_keeps_has_half_the_bytes():
    ieee, bf16 = (tiny_config(train={"precision": name}) for name in ("ieee", "bf16"))
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 64), nn.Linear(64, 2))
    inputs, hidden = 3 * 16 * 16, 64
    images = ieee.train.batch_size
    assert saved_bytes(net, ieee) == 4 * (inputs + hidden) * images
    copies = 2 * 64 * 2  # of the second layer's weights, for the gradient of its input
    assert saved_bytes(net, bf16) == 2 * (inputs + hidden) * images + copies


def test_a_tensor_that_two_layers_keep_counts_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, x):
            y = x * self.weight
            return y * y

    config = tiny_config(augment={"crop_size": 2, "pca_colour": "none"}, train={"batch_size": 2})
    assert peak_memory_bytes(Twice(), config, CPU) == 3 * 4 + 2 * 48 + 2 * 48


def test_a_gpu_holds_a_step_or_an_evaluation_the_images_and_the_libraries_memory():
    data = tiny_data(images=48)
    images = (48 + 24) * 18 * 18 * 3
    few, many = (tiny_config(train={"batch_size": size}) for size in (16, 4000))
    net = models.build(few.model, 3, 16, seed=1)
    # 500 images an evaluation are more than a batch of 16 and its gradients ...
    kept_of_one = saved_bytes(net, few) / 16
    assert gpu_bytes(few, data) == int(500 * kept_of_one) + images + WORKSPACE_BYTES
    # ... and fewer than one of 4000, where each activation has a gradient as well
    step = peak_memory_bytes(net, many, CPU) + 4000 * kept_of_one
    assert gpu_bytes(many, data) == int(step) + images + WORKSPACE_BYTES
    # a graph keeps the memory of its step beside that of the evaluation
    recorded = tiny_config(train={"batch_size": 4000, "cuda_graph": True})
    assert gpu_bytes(recorded, data) == int(step + 500 * kept_of_one) + images + WORKSPACE_BYTES


def test_dropout_keeps_its_masks_and_products():
    plain, dropped = (tiny_config(model={"hidden_units": 32, "dropout": p}) for p in (0.0, 0.5))
    masks_and_products = 2 * 4 * 8 * plain.train.batch_size  # 32 units at width 0.25
    assert step_bytes(dropped, 3) - step_bytes(plain, 3) == masks_and_products
