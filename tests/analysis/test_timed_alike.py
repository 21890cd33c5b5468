"""Which runs' times may be compared: those of one machine, of which a GPU's says more."""

from alexbench.analysis.pairs import comparable
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


def test_times_of_two_precisions_are_compared_as_those_of_any_two_settings():
    ieee, bf16 = (
        records.make(environment={**records.MACHINE, "precision": name})
        for name in ("ieee", "bf16")
    )
    assert comparable(METRICS["epoch_seconds"], ieee, bf16)
