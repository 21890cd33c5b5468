"""Each metric read from a record made by hand, with the answer worked out by hand."""

import math

import pytest

from alexbench.config import metrics
from alexbench.runs import metric_values
from alexbench.runs.metric_values import MetricValue
from tests.records import CIFAR10, make

NAN = math.nan


def value(name: str, **record: object) -> float:
    return metric_values.read(name, make(**record)).value  # type: ignore[arg-type]


def test_errors_are_those_of_the_last_epoch() -> None:
    errors = {"test_errors": (70.0, 50.0, 40.0), "train_errors": (60.0, 30.0, 25.0)}
    assert value("test_error", **errors) == 40
    assert value("top5_error", **errors) == 10
    assert value("train_error", **errors) == 25
    assert value("generalisation_gap", **errors) == 15
    assert value("test_loss", **errors) == 1.25


def test_the_final_test_has_its_own_errors_where_it_averaged_views_or_nets() -> None:
    final = {"test_error": 38.0, "top5_error": 9.0, "test_loss": 1.1, "views": "ten_crop"}
    errors = {"test_errors": (70.0, 40.0), "train_errors": (60.0, 25.0), "measurements": final}
    assert value("test_error", **errors) == 38
    assert value("test_accuracy", **errors) == 62
    assert value("top5_error", **errors) == 9
    assert value("test_loss", **errors) == 1.1
    assert value("generalisation_gap", **errors) == 15  # of the centre view, as the training error


def test_a_diverged_run_has_the_errors_of_guessing_and_no_gap() -> None:
    diverged = {"status": "diverged", "data": CIFAR10}
    assert value("test_error", **diverged) == 90
    assert value("train_error", **diverged) == 90
    assert value("top5_error", **diverged) == 50
    assert value("test_loss", **diverged) == pytest.approx(math.log(10))
    assert math.isnan(value("generalisation_gap", **diverged))


def test_without_a_clean_pass_the_training_error_is_the_running_average() -> None:
    record = make(train_errors=(50.0, 40.0, 30.0))
    for row in record.history:
        row["train_error"] = None
    assert metric_values.read("train_error", record).value == 30


def test_the_target_is_crossed_between_epochs() -> None:
    # 40% after epoch 2, 20% after epoch 3: 25% is three quarters of the way.
    reading = metric_values.read(
        "epochs_to_target", make(test_errors=(60.0, 40.0, 20.0), target=25.0, seconds=8.0)
    )
    assert reading == MetricValue(2.75)


def test_training_seconds_to_the_target_run_evenly_within_an_epoch() -> None:
    assert value("seconds_to_target", test_errors=(60, 40, 20), target=25.0, seconds=8.0) == 22


def test_a_target_reached_in_the_first_epoch_is_crossed_on_the_way_from_guessing() -> None:
    # From 90% before training to 10% after epoch 1: 30% after three quarters of it.
    assert value("epochs_to_target", test_errors=(10, 5), target=30.0, data=CIFAR10) == 0.75


def test_a_target_met_exactly_at_the_end_of_an_epoch_is_that_epoch() -> None:
    assert value("epochs_to_target", test_errors=(60, 25, 20), target=25.0) == 2
    assert value("seconds_to_target", test_errors=(60, 25, 20), target=25.0, seconds=8.0) == 16


def test_a_run_that_rises_again_counts_from_the_first_crossing() -> None:
    assert value("epochs_to_target", test_errors=(30, 20, 40, 10), target=25.0) == 1.5


def test_a_run_that_never_gets_there_is_censored_at_its_end() -> None:
    record = make(test_errors=(60.0, 50.0, 40.0), target=25.0, seconds=8.0)
    assert metric_values.read("epochs_to_target", record) == MetricValue(3.0, censored=True)
    assert metric_values.read("seconds_to_target", record) == MetricValue(24.0, censored=True)


def test_a_run_that_diverges_is_censored_at_the_end_of_its_whole_budget() -> None:
    record = make(test_errors=(60.0, 90.0), target=25.0, seconds=8.0, epochs=10, status="diverged")
    assert metric_values.read("epochs_to_target", record) == MetricValue(10.0, censored=True)
    assert metric_values.read("seconds_to_target", record) == MetricValue(80.0, censored=True)


def test_a_target_of_the_running_error_is_met_where_that_error_crosses_it() -> None:
    # The clean error crosses 25% at 1.5 epochs, the running one, 40% and then 20%, at 2.75.
    record = make(train_errors=(30.0, 20.0, 10.0), target=25.0, seconds=8.0)
    for row, error in zip(record.history, (60.0, 40.0, 20.0), strict=True):
        row["running_train_error"] = error
    assert metric_values.read("epochs_to_target", record).value == 1.5
    record.config["train"]["target_pass"] = "running"
    assert metric_values.read("epochs_to_target", record).value == 2.75
    assert metric_values.read("seconds_to_target", record).value == 22
    assert metric_values.read("train_error", record).value == 10  # of the clean pass


def test_without_a_target_there_is_no_time_to_it() -> None:
    assert math.isnan(value("epochs_to_target"))
    assert math.isnan(value("seconds_to_target"))


def test_convergence_is_coming_near_the_final_level() -> None:
    # From 90% (guessing) to 10%: within 5% of the way is 14%. Smoothed over 3 epochs, the curve is
    # (40+10)/2, 20, 10, 10, ...: 14% lies 0.6 of the way from epoch 2 to epoch 3.
    errors = (40.0, *[10.0] * 19)
    reading = metric_values.read("epochs_to_converge", make(test_errors=errors, data=CIFAR10))
    assert reading.value == pytest.approx(2.6)
    assert not reading.censored


def test_a_run_that_still_falls_at_its_end_has_not_converged() -> None:
    errors = tuple(90.0 - 4 * epoch for epoch in range(1, 21))
    reading = metric_values.read("epochs_to_converge", make(test_errors=errors, data=CIFAR10))
    # The best smoothed error is 14, at epoch 19, and 14 + 5% of 76 is 17.8. At epoch 18 it is 18.
    assert reading == MetricValue(pytest.approx(18.05), censored=True)


def test_a_run_has_not_converged_while_the_line_through_its_last_third_falls_by_the_band() -> None:
    # 30 epochs from guessing at 90% to about 10%: the band is 4 points. The last ten epochs lie on
    # a line that falls by 9 steps; the level of the last three is one step above its end.
    for step, censored in ((0.4, False), (0.5, True)):
        tail = [10 + step * (9 - i) for i in range(10)]
        errors = (*[tail[0]] * 20, *tail)
        reading = metric_values.read("epochs_to_converge", make(test_errors=errors, data=CIFAR10))
        assert reading.censored is censored


def test_a_run_that_learns_nothing_never_converges() -> None:
    record = make(test_errors=(90.0,) * 12, data=CIFAR10)
    assert metric_values.read("epochs_to_converge", record) == MetricValue(12.0, censored=True)


def test_a_target_that_guessing_meets_is_no_target() -> None:
    assert math.isnan(value("epochs_to_target", test_errors=(60, 40), target=95.0, data=CIFAR10))


def test_a_diverged_run_never_converges() -> None:
    record = make(status="diverged", epochs=12)
    assert metric_values.read("epochs_to_converge", record) == MetricValue(12.0, censored=True)


def test_the_early_training_error_is_the_mean_over_a_tenth_of_the_epochs() -> None:
    errors = (80.0, 60.0, *[20.0] * 18)
    assert value("early_train_error", test_errors=errors) == 70


def test_a_divergence_in_the_early_epochs_counts_as_guessing_from_there() -> None:
    record = {"status": "diverged", "epochs": 20, "data": CIFAR10}
    assert value("early_train_error", test_errors=(80.0,), **record) == 85
    assert value("early_train_error", test_errors=(80.0, None), **record) == 85


def test_speed_and_size_come_from_history_and_measurements() -> None:
    assert value("epoch_seconds", seconds=4.0) == 4
    assert value("images_per_second", seconds=4.0) == 250
    assert value("step_seconds", seconds=4.0) == 0.5
    assert value("peak_memory_bytes") == 2**28
    assert value("parameters") == 1000


def test_the_median_epoch_counts_not_the_slow_first_one() -> None:
    record = make(test_errors=(50.0, 40.0, 30.0, 20.0))
    for row, seconds in zip(record.history, (90.0, 3.0, 4.0, 5.0), strict=True):
        row["train_seconds"] = seconds
    assert metric_values.read("epoch_seconds", record).value == 4.5


def test_what_was_not_measured_is_missing() -> None:
    assert math.isnan(value("peak_memory_bytes", measurements={}))
    assert math.isnan(value("epoch_seconds", history=[]))


def test_every_metric_reads_every_kind_of_record() -> None:
    for record in (make(), make(status="diverged"), make(target=25.0), make(test_errors=(9.0,))):
        for name in metrics.METRICS:
            assert isinstance(metric_values.read(name, record), MetricValue)
