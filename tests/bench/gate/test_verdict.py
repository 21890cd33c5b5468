"""When the gate fails, passes and cannot say: by simulation, and at the edges by hand."""

import numpy as np

from alexbench.bench.gate.verdict import Rounds, judge

FLOOR = 1.10


def simulated(slowdown, noise, generator, rounds=50, shift=0.0):
    """Times of rounds that share what the machine does, each with noise of its own."""
    shared = np.exp(generator.normal(0, 0.3, rounds))
    base, again, head = (shared * np.exp(generator.normal(0, noise, rounds)) for _ in range(3))
    return Rounds(base, again, head * slowdown * np.exp(shift))


def three_looks(slowdown, noise, generator):
    return [simulated(slowdown, noise, generator, rounds) for rounds in (50, 50, 100)]


def words(slowdown, noise, repeats=50):
    generator = np.random.default_rng(0)
    return [judge(three_looks(slowdown, noise, generator), FLOOR).word for _ in range(repeats)]


def test_a_slowdown_of_a_third_fails_every_time():
    assert set(words(1.3, noise=0.1)) == {"fail"}


def test_equal_code_never_fails_however_noisy_the_machine():
    for noise in (0.02, 0.15, 0.5, 1.5):
        assert "fail" not in words(1.0, noise, repeats=40)


def test_a_slowdown_below_the_floor_never_fails():
    assert "fail" not in words(1.07, noise=0.1)


def test_a_speedup_passes():
    assert set(words(0.7, noise=0.1)) == {"pass"}


def test_noise_beyond_the_floor_is_inconclusive_and_so_is_a_slowdown_within_three_times_it():
    assert set(words(1.0, noise=1.5)) == {"inconclusive"}
    assert set(words(1.12, noise=0.4)) <= {"inconclusive", "pass"}


def test_one_look_is_not_enough_to_fail_and_two_are_not():
    generator = np.random.default_rng(0)
    looks = three_looks(1.5, 0.02, generator)
    assert [judge(looks[:n], FLOOR).word for n in (1, 2, 3)] == ["inconclusive"] * 2 + ["fail"]


def test_a_slowdown_that_one_of_three_looks_does_not_show_is_no_failure():
    # new processes each time: one pair of them may be slow by chance
    generator = np.random.default_rng(0)
    looks = [simulated(s, 0.02, generator) for s in (1.5, 1.0, 1.5)]
    assert judge(looks, FLOOR).word == "inconclusive"


def test_the_ratio_is_the_median_and_the_noise_what_equal_code_shows():
    rounds = Rounds(base=[1.0, 2.0, 4.0], base_again=[1.0, 2.0, 4.0], head=[1.2, 2.4, 4.8])
    verdict = judge([rounds], FLOOR)
    np.testing.assert_allclose([verdict.ratio, verdict.low, verdict.high], 1.2)
    assert verdict.noise == 1
