"""What a placement asks for is checked before anything is built, in one line."""

import pytest

from alexbench.config.overrides import Layer, resolve
from alexbench.config.placement import num_devices, num_processes
from alexbench.config.schema import Config
from alexbench.errors import BadInput


def config(**keys: object) -> Config:
    values = {key.replace("__", "."): value for key, value in keys.items()}
    return resolve([Layer("a file", values)])


@pytest.mark.parametrize(
    ("placement", "replicas", "devices", "processes"),
    [
        ("one", 1, 1, 1),
        ("two", 1, 2, 1),
        ("processes", 1, 2, 2),
        ("data_parallel", 4, 4, 4),
        ("hybrid", 8, 8, 8),
        ("hybrid", 1, 1, 1),
    ],
)
def test_a_run_says_how_many_devices_and_processes_it_needs(
    placement, replicas, devices, processes
):
    train = config(train__placement=placement, train__replicas=replicas).train
    assert (num_devices(train), num_processes(train)) == (devices, processes)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            {"train__placement": "data_parallel", "train__replicas": 2, "train__batch_size": 65},
            r"^a file: train\.batch_size is 65, which 2 replicas cannot share evenly: choose a "
            r"multiple of 2$",
        ),
        (
            {"train__replicas": 2},
            r"^a file: train\.replicas is 2, but train\.placement one has none",
        ),
        (
            {"train__placement": "processes", "model__columns": "dense"},
            r"a column on each device: it needs .* model\.columns two_columns or no_links$",
        ),
        (
            {"train__placement": "two", "model__name": "cifar4", "model__dropout": 0},
            r"train\.placement two puts a column on each device",
        ),
        (
            {"train__placement": "two", "evaluate__saturation_images": 9},
            r"saturation_images is 9, but the units of a net that is placed two are not counted",
        ),
        (
            {"train__placement": "hybrid", "model__columns": "no_links"},
            r"shares FC layers that see all units",
        ),
    ],
)
def test_a_placement_that_cannot_be_is_refused_in_one_line(keys, expected):
    with pytest.raises(BadInput, match=expected) as refused:
        config(**keys)
    assert "\n" not in str(refused.value)
