"""What is written beside a result about the machine that it comes from."""

import os
import subprocess
import sys

import pytest
import torch

from alexbench.config.schema import TrainConfig
from alexbench.errors import BadInput
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
    told = environment.describe(torch.device("cpu"), TrainConfig(), jobs=1)
    environment.git.cache_clear()
    assert (told["commit"], told["dirty"]) == (None, None)


BARE = """
import importlib.metadata, sys
from pathlib import Path
own = importlib.metadata.version
def version(name):
    if name == "alexbench":
        raise importlib.metadata.PackageNotFoundError(name)
    return own(name)
importlib.metadata.version = version  # as where only the tree is on the path
from alexbench.config.schema import TrainConfig
from alexbench.training import environment
environment.git = lambda *arguments: None  # and where there is no git
print(environment.own_version(), environment.commit())
"""


def test_a_tree_that_is_not_installed_has_its_version_and_the_commit_that_it_is_told():
    told = subprocess.run(
        [sys.executable, "-c", BARE],
        env=os.environ | {"ALEXBENCH_COMMIT": "0123abc"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert told == ["0.2.0", "0123abc"]


def test_a_commit_that_no_record_may_have_is_refused_before_the_first_step(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))  # no git here
    monkeypatch.setenv("ALEXBENCH_COMMIT", "main\x1b")
    environment.git.cache_clear()
    with pytest.raises(BadInput, match=r"^ALEXBENCH_COMMIT: 'main\\x1b' is no commit: "):
        environment.describe(torch.device("cpu"), TrainConfig(), jobs=1)
    environment.git.cache_clear()
