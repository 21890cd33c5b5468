"""``alexbench gate``: has throughput regressed? Base and head in one job, noise measured beside."""

import io
import random
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from scipy import stats as _  # noqa: F401
