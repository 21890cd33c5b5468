"""A tiny ablation for the tests of sweeps, and what must be equal in two of its sweeps."""

import json
from pathlib import Path
from typing import Any

from alexbench.launch import sweep
from alexbench.launch.sweep import Sweep
from alexbench.runs.run import Run, measured_runs

ABLATION = """
title: A tiny question
question: Does a wider net do better?
claims: {lrn: wide}
baseline: narrow
metrics: [test_error, step_seconds]
tune: none
tune_reason: it is only a test
config:
  data.train_images: 52
  data.test_images: 26
  model.name: cifar4
  train.epochs: 1
  train.batch_size: 26
  evaluate.train_images: 26
variants:
  narrow: {model.width: 0.125}
  wide: {model.width: 0.25}
"""
TIMES = (
    "train_seconds evaluate_seconds images_per_second step_seconds date jobs commit dirty".split()
)


def prepare(tmp_path: Path, text: str = ABLATION, seeds: int = 2, **options: Any) -> Sweep:
    path = tmp_path / "tiny.yaml"
    path.write_text(text)
    options = {"results": str(tmp_path / "results"), "jobs": 1} | options
    return sweep.prepare(str(path), "laptop", sweep.sweep_options(seeds=seeds, **options))


def runs_of(prepared: Sweep) -> list[Run]:
    return measured_runs(prepared.ablation, prepared.identity)


def without_times(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: without_times(value) for key, value in content.items() if key not in TIMES}
    return [without_times(item) for item in content] if isinstance(content, list) else content


def evidence(folder: Path) -> dict[str, Any]:
    """Everything that a sweep leaves but for logs, tables and times: file -> content."""
    files = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {
        str(name): without_times(json.loads(path.read_text()))
        for name, path in sorted(files.items())
        if len(name.parts) > 1 and name.parts[0] != "logs"
    }
