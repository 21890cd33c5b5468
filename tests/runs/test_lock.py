"""A lock belongs to one process at a time, and to none when its owner is dead."""

import multiprocessing
import time
from multiprocessing.synchronize import Event
from pathlib import Path

from alexbench.runs.lock import lock

SPAWN = multiprocessing.get_context("spawn")


def hold(path: Path, held: Event, let_go: Event) -> None:
    with lock(path) as mine:
        assert mine
        held.set()
        let_go.wait(60)


def count(path: Path, number: Path) -> None:
    """Add one to the number in a file fifty times, each time under the lock."""
    for _ in range(50):
        with lock(path, wait=True) as mine:
            assert mine
            value = int(number.read_text())
            time.sleep(0.0005)
            number.write_text(str(value + 1))


def test_a_lock_that_another_process_has_is_not_mine_until_that_process_is_killed(tmp_path):
    path = tmp_path / "a.lock"
    held, let_go = SPAWN.Event(), SPAWN.Event()
    other = SPAWN.Process(target=hold, args=(path, held, let_go))
    other.start()
    assert held.wait(60)
    with lock(path) as mine:
        assert not mine
    assert path.exists()  # whoever does not have it leaves it alone
    other.kill()
    other.join()
    with lock(path) as mine:
        assert mine
    assert not path.exists()


def test_processes_that_wait_for_one_lock_never_have_it_together(tmp_path):
    """Each owner removes the file: one that waited for the removed file must take the new one."""
    path, number = tmp_path / "a.lock", tmp_path / "number"
    number.write_text("0")
    others = [SPAWN.Process(target=count, args=(path, number)) for _ in range(3)]
    for other in others:
        other.start()
    for other in others:
        other.join()
        assert other.exitcode == 0
    assert number.read_text() == "150"
