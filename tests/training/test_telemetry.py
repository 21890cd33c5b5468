"""What is said of a GPU's clock, without a GPU: readings by hand."""

import time

import torch

from alexbench.runs import record
from alexbench.training.telemetry import (
    Reading,
    Telemetry,
    add_readings,
    judge,
    read_gpu,
    reader,
)
from tests import records


def reading(megahertz: int, reasons: int = 0, watts: float = 300.0) -> Reading:
    return Reading(0.0, megahertz, watts, 60, reasons)


def test_a_steady_clock_is_said_to_be_steady_and_another_one_with_its_range():
    assert judge([reading(1755), reading(1740), reading(1755)]) == "steady at 1755 MHz"
    assert judge([reading(1980), reading(1200)]) == "from 1200 to 1980 MHz"
    assert judge([]) == "not read"


def test_causes_of_a_slower_clock_are_named_and_an_idle_gpu_is_none():
    slowed = [reading(1500, 0x4), reading(1500, 0x20), reading(1500, 0x1)]
    assert judge(slowed) == "steady at 1500 MHz; slowed by power cap, temperature, by software"
    assert judge([reading(1500, 0x1)]) == "steady at 1500 MHz"


def test_readings_come_while_the_block_runs_and_one_that_fails_is_left_out():
    calls = []

    def read() -> Reading:
        calls.append(1)
        if len(calls) == 1:
            raise OSError
        return reading(1)

    with Telemetry(read, hertz=500.0) as telemetry:
        until = time.monotonic() + 10
        while len(telemetry.readings) < 3 and time.monotonic() < until:
            time.sleep(0.01)
    found = len(telemetry.readings)
    assert found >= 3
    time.sleep(0.02)
    assert len(telemetry.readings) == found


class LaptopCard:
    """What NVIDIA's library is for a card that tells neither its power nor why it is slow."""

    NVML_CLOCK_SM, NVML_TEMPERATURE_GPU = 1, 0

    def nvmlDeviceGetClockInfo(self, handle: str, kind: int) -> int:
        return 1500 + kind

    def nvmlDeviceGetTemperature(self, handle: str, kind: int) -> int:
        return 60 + kind


def test_what_a_card_does_not_tell_costs_no_other_reading():
    found = read_gpu(LaptopCard(), "handle")
    assert (found.megahertz, found.celsius) == (1501, 60)
    assert (found.watts, found.reasons) == (None, None)
    assert judge([found]) == "steady at 1501 MHz"
    environment: record.Environment = {**records.MACHINE}
    add_readings(environment, [found])
    told = {key: environment[key] for key in environment.keys() - records.MACHINE.keys()}
    assert told == {"clock_megahertz": 1501, "temperature_celsius": 60}
    assert judge([Reading(0.0)]) == "not read"


def test_a_record_keeps_the_medians_and_the_causes_of_a_slower_clock(tmp_path):
    environment = {**records.MACHINE, "device": "NVIDIA H100"}
    add_readings(environment, [])
    assert environment.keys() == records.MACHINE.keys()
    add_readings(environment, [reading(1980, 0x1, 70.0), reading(1755, 0x4), reading(1740)])
    told = {key: environment[key] for key in environment.keys() - records.MACHINE.keys()}
    assert told == {
        "clock_megahertz": 1755,
        "power_watts": 300.0,
        "temperature_celsius": 60,
        "slowed_by": ["power cap"],
    }
    written = records.whole(records.make(environment=environment))
    record.write(written, tmp_path / "run.json")
    assert record.read(tmp_path / "run.json").environment == environment


def test_a_cpu_has_no_reader_nor_a_machine_without_nvidias_library():
    assert reader(torch.device("cpu")) is None
    if not torch.cuda.is_available():
        assert reader(torch.device("cuda:0")) is None
    with Telemetry(None) as telemetry:
        pass
    assert telemetry.readings == []
