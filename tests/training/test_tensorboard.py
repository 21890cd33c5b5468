"""Curves for TensorBoard, where it is installed."""

import pytest

from alexbench.launch.task import attempt
from tests.sweeps import ABLATION, prepare, runs_of


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # TensorBoard's own
def test_every_number_of_the_history_is_a_curve(tmp_path):
    pytest.importorskip("tensorboard", reason="needs alexbench[tensorboard]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    text = ABLATION.replace("train.epochs: 1", "train.epochs: 3")
    prepared = prepare(tmp_path, text, seeds=1, tensorboard=True)
    run = runs_of(prepared)[0]
    where = prepared.slots[0], prepared.store, prepared.options
    attempt(run, *where, send=lambda event: None, asked_to_stop=lambda: False)
    record = prepared.store.read_record(run)
    assert record
    events = EventAccumulator(str(prepared.folder / "tensorboard" / run.stem)).Reload()
    for name in ("test_error", "train_loss", "lr"):
        curve = [(each.step, each.value) for each in events.Scalars(name)]
        assert curve == [(row["epoch"], pytest.approx(row[name])) for row in record.history]
