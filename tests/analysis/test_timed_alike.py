"""Which runs' times may be compared: those of one machine, of which a GPU's says more."""

from alexbench.analysis.pairs import comparable, pair
from alexbench.config.metrics import METRICS
from tests import records

GPU = {"torch": "2.14.1", "cuda": "13.0", "cudnn": 92400, "driver": "580.1"}


def on_gpu(clock=None, **versions):
    environment = {**records.MACHINE, "device": "NVIDIA H100", "versions": GPU | versions}
    read = {} if clock is None else {"clock_megahertz": clock}
    return records.make(environment=environment | read)


def test_times_on_a_gpu_need_one_driver_and_one_torch():
    seconds, error = METRICS["step_seconds"], METRICS["test_error"]
    assert comparable(seconds, on_gpu(), on_gpu())
    for name in GPU:
        assert not comparable(seconds, on_gpu(), on_gpu(**{name: "other"}))
        assert comparable(error, on_gpu(), on_gpu(**{name: "other"}))


def test_times_on_a_gpu_need_one_clock():
    seconds, error = METRICS["step_seconds"], METRICS["test_error"]
    cases = [(1740, 1755, True), (1980, 1980, True), (1980, 1921, False), (1980, None, False)]
    for one, other, alike in cases:
        first, second = on_gpu(clock=one), on_gpu(clock=other)
        assert comparable(seconds, first, second) is alike
        assert comparable(seconds, second, first) is alike
        assert comparable(error, first, second)


def test_times_on_a_processor_are_compared_as_before():
    one, other = ({**records.MACHINE, "versions": {"torch": name}} for name in ("2.13", "2.14"))
    runs = [records.make(environment=each) for each in (one, other)]
    assert comparable(METRICS["step_seconds"], *runs)


def test_times_are_compared_at_the_rates_whose_runs_were_timed_alike():
    machines = [{**records.MACHINE, "processor": name} for name in ("old", "new")]
    rates = {"none": {0.1: 1, 0.2: 0, 0.4: 1, 0.8: 1}, "both": {0.4: 1, 0.8: 0, 1.6: 1}}
    runs = [
        records.make(arm, seed, lr=rate, seconds=10 * rate, environment=machines[machine])
        for arm, each in rates.items()
        for rate, machine in each.items()
        for seed in range(4 if machine else 3)
    ]
    found = pair(METRICS["epoch_seconds"], ("none", "both"), runs)
    # the middle rates, 0.4 and 0.8, are of two machines; of the new one 0.4 is nearest, then 0.4
    assert (list(found.baseline), list(found.variant), found.seeds) == ([0.4], [0.4], (0, 1, 2, 3))
    waited = pair(METRICS["seconds_to_target"], ("none", "both"), runs)  # depends on the rate
    assert (list(waited.baseline), list(waited.variant), waited.seeds) == ([0.4], [0.8], ())
    old = [run for run in runs if run.environment["processor"] == "old"]
    alone = pair(METRICS["epoch_seconds"], ("none", "both"), old)
    assert (list(alone.baseline), list(alone.variant)) == ([0.2], [0.8])


def test_times_are_compared_at_the_tuned_rate_where_they_can():
    rates = {"none": (0.1, 0.2, 0.4), "both": (0.2, 0.4)}
    runs = [
        records.make(arm, seed, lr=rate, tuned={"train.lr": each[0]})
        for arm, each in rates.items()
        for rate in each
        for seed in range(3)
    ]
    found = pair(METRICS["epoch_seconds"], ("none", "both"), runs)
    assert (list(found.baseline), list(found.variant)) == ([0.1], [0.2])


def test_times_of_two_precisions_are_compared_as_those_of_any_two_settings():
    ieee, bf16 = (
        records.make(environment={**records.MACHINE, "precision": name})
        for name in ("ieee", "bf16")
    )
    assert comparable(METRICS["epoch_seconds"], ieee, bf16)
