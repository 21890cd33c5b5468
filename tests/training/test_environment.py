"""What is written beside a result about the machine that it comes from."""

import os
import subprocess
import sys

import torch

from alexbench.training import environment


def test_processors_of_one_name_with_other_instructions_are_two_processors():
    code = "from alexbench.training import environment; print(environment.processor())"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"ATEN_CPU_CAPABILITY": "default"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    name, _, _ = environment.processor().rpartition(" (")
    assert name
    assert told == f"{name} (DEFAULT)"


def test_nobody_claims_that_nothing_was_changed_where_it_is_not_known(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))  # no git here
    environment.git.cache_clear()
    told = environment.describe(torch.device("cpu"), "ieee", jobs=1)
    environment.git.cache_clear()
    assert (told["commit"], told["dirty"]) == (None, None)
