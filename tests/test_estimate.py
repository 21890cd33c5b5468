"""What a sweep would cost, told before it starts."""

from alexbench import estimate
from tests.sweeps import prepare


def test_a_variant_that_no_time_is_left_to_probe_needs_the_memory_that_a_probe_finds(
    tmp_path, monkeypatch
):
    prepared = prepare(tmp_path)
    monkeypatch.setattr(estimate, "PROBE_SECONDS", 3600.0)
    probed = estimate.estimate(prepared, prepared.ablation, [])
    monkeypatch.setattr(estimate, "PROBE_SECONDS", 0.0)
    told = estimate.estimate(prepared, prepared.ablation, [])
    assert {name: cost.memory_bytes for name, cost in told.items()} == {
        name: cost.memory_bytes for name, cost in probed.items()
    }
    assert told["wide"].memory_bytes > told["narrow"].memory_bytes > 0
