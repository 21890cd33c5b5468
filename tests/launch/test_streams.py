"""Standard streams that are unbuffered or slow: what was printed is there."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

KILLED = """
import os, signal, sys
from alexbench.launch import streams

streams.make_safe()
print("a reason to die", file=sys.stderr)
os.kill(os.getpid(), signal.SIGKILL)
"""
LONG = """
import sys
from alexbench.launch import streams

streams.make_safe()
print("x" * 1_000_000)
streams.check_stdout()
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_line_of_a_process_that_is_killed_is_in_its_log(tmp_path: Path, unbuffered: str):
    with (tmp_path / "log").open("w") as log:
        surroundings = os.environ | {"PYTHONUNBUFFERED": unbuffered}
        subprocess.run([sys.executable, "-c", KILLED], stderr=log, env=surroundings)
    assert (tmp_path / "log").read_text() == "a reason to die\n"


def test_a_full_pipe_that_does_not_wait_gets_all_that_is_printed():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    found: list[bytes] = []

    def read() -> None:
        with open(reading, "rb") as pipe:
            found.append(pipe.read())

    reader = threading.Thread(target=read)
    with subprocess.Popen(
        [sys.executable, "-c", LONG], stdout=writing, stderr=subprocess.PIPE
    ) as child:
        os.close(writing)
        reader.start()
        _, said = child.communicate()
    reader.join()
    assert (child.returncode, said) == (0, b"")
    assert found == [b"x" * 1_000_000 + b"\n"]
