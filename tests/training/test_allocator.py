"""Memory that is kept is not asked for again."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from alexbench.training.allocator import keep_memory
if sys.argv[1] == "keep":
    keep_memory()
def faults(times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        bytearray(64 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(2)
print(faults(5))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="keep_memory knows Linux alone")
def test_a_large_block_that_is_freed_and_asked_for_again_costs_no_page_faults():
    def page_faults(choice):
        command = [sys.executable, "-c", FAULTS, choice]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert page_faults("keep") < 100
    if page_faults("default") < 100:
        pytest.skip("the default malloc of this system keeps memory by itself")
