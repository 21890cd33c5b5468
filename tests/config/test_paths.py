"""Where things that are made once are kept."""

import sys

import pytest

from alexbench.config.paths import cache_folder


def test_a_folder_of_ones_own_wins(monkeypatch, tmp_path):
    monkeypatch.setenv("ALEXBENCH_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="other platforms have other folders")
def test_an_empty_variable_counts_as_not_set(monkeypatch, tmp_path):
    monkeypatch.setenv("ALEXBENCH_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "alexbench"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "alexbench"
