import os
import resource
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alexbench.config.schema import DataConfig
from alexbench.data import HeldSplit, StreamedSplit, batches, imagefolder, load, stream
from alexbench.data.files import balanced, open_folder
from alexbench.data.imagefolder import decoded, load_folder
from alexbench.data.stream import in_workers
from alexbench.errors import BadInput, RunFailed
from tests.data.images import noise, write_folder

DATA = DataConfig(name="imagefolder", image_size=8)
CPU = torch.device("cpu")


def skip(**settings: object) -> DataConfig:
    return DATA.model_copy(update={"undecodable": "skip"} | settings)


def refusal(root: Path, cache: Path, data: DataConfig = DATA) -> str:
    """The one line with which a folder is refused."""
    with pytest.raises(BadInput) as raised:
        load(data, root, cache)
    line = str(raised.value)
    assert "\n" not in line
    return line


def test_classes_take_turns_and_pixels_are_those_of_the_files(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    pets = load(DATA, root, tmp_path / "cache")
    assert pets.classes == ("cat", "dog")
    assert pets.train.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert isinstance(pets.train, HeldSplit)
    assert pets.train.images.shape == (6, 8, 8, 3)
    np.testing.assert_array_equal(pets.train.images[1], np.asarray(noise(100, 8, 8)))
    np.testing.assert_array_equal(pets.test.images[0], np.asarray(noise(50, 8, 8)))


def test_the_first_so_many_are_balanced():
    labels = torch.tensor([0, 0, 0, 0, 2, 2, 1, 1, 1])
    assert balanced(labels, 5).tolist() == [0, 6, 4, 1, 7]
    assert balanced(labels, None).tolist() == [0, 6, 4, 1, 7, 5, 2, 8, 3]


def test_fewer_images_can_be_asked_for_but_not_more(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    few = DATA.model_copy(update={"train_images": 4, "test_images": 2})
    pets = load(few, root, tmp_path / "cache")
    assert pets.train.labels.tolist() == [0, 1, 0, 1]
    assert len(pets.test.labels) == 2
    many = DATA.model_copy(update={"test_images": 5})
    assert "data.test_images: 5 images asked for" in refusal(root, tmp_path / "cache", many)


def test_val_is_preferred_to_test(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    (root / "test").rename(root / "val")
    write_folder(tmp_path / "other", test=1)
    (tmp_path / "other" / "test").rename(root / "test")
    assert len(load(DATA, root, tmp_path / "cache").test.labels) == 4


def test_a_missing_root_is_refused(tmp_path: Path):
    assert "no such folder" in refusal(tmp_path / "nowhere", tmp_path)
    with pytest.raises(BadInput, match="--data-root"):
        load(DATA, None, tmp_path)


def test_a_root_without_both_splits_is_refused(tmp_path: Path):
    (tmp_path / "train").mkdir()
    assert "needs train/<class>/* and val/<class>/* or test/<class>/*" in refusal(
        tmp_path, tmp_path / "cache"
    )


def test_splits_without_classes_are_refused(tmp_path: Path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
    assert "train: no images" in refusal(tmp_path, tmp_path / "cache")


def test_an_empty_class_folder_is_named(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    (root / "train" / "fish").mkdir()
    assert "fish: class folder without images" in refusal(root, tmp_path / "cache")


def test_a_folder_inside_a_class_is_named(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    (root / "test" / "dog" / "more").mkdir()
    assert "dog: holds a folder 'more'" in refusal(root, tmp_path / "cache")


def test_labels_that_disagree_are_named(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    (root / "test" / "dog").rename(root / "test" / "wolf")
    line = refusal(root, tmp_path / "cache")
    assert "class 'dog' is in train/ but not in test/" in line


def test_hidden_files_are_passed_over(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    (root / "train" / "cat" / ".DS_Store").write_bytes(b"x")
    (root / "train" / ".cache").mkdir()
    (root / "train" / "README").write_text("x")
    assert len(load(DATA, root, tmp_path / "cache").train.labels) == 6


def test_files_that_cannot_be_decoded_are_counted_and_named(tmp_path: Path):
    root = write_folder(tmp_path / "pets", train=6)
    for number in range(4):
        (root / "train" / "cat" / f"{number}.png").write_bytes(b"x")
    line = refusal(root, tmp_path / "cache")
    assert "cannot decode 4 of the files: train/cat/0.png, train/cat/1.png" in line
    assert "and 1 more" in line
    assert "data.undecodable" in line
    assert refusal(root, tmp_path / "cache") == line  # from the cache, too


def test_files_that_cannot_be_decoded_are_skipped_on_request(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    (root / "train" / "cat" / "1.png").write_bytes(b"x")
    pets = load(skip(), root, tmp_path / "cache")
    assert pets.skipped == ("train/cat/1.png",)
    assert pets.train.labels.tolist() == [0, 1, 1, 0, 1]
    assert isinstance(pets.train, HeldSplit)
    np.testing.assert_array_equal(pets.train.images[1], np.asarray(noise(100, 8, 8)))
    assert len(pets.train.images) == 5


def test_a_class_of_which_nothing_can_be_decoded_is_refused(tmp_path: Path):
    root = write_folder(tmp_path / "pets", train=1)
    (root / "train" / "cat" / "0.png").write_bytes(b"x")
    assert "class 'cat' has no image that can be decoded" in refusal(root, tmp_path / "c", skip())


def test_fewer_images_than_classes_may_be_asked_for(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    pets = load(DATA.model_copy(update={"test_images": 1}), root, tmp_path / "cache")
    assert pets.test.labels.tolist() == [0]


def test_a_link_to_nothing_is_a_file_that_cannot_be_decoded(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    (root / "train" / "cat" / "link.png").symlink_to(tmp_path / "nothing.png")
    assert "cannot decode 1 of the files: train/cat/link.png" in refusal(root, tmp_path / "cache")


def test_names_with_odd_characters_are_read_and_printed_in_one_line(tmp_path: Path):
    root = write_folder(tmp_path / "pets", classes=("a b", "ż,'"))
    odd = os.fsencode(root / "train" / "a b") + b"/x\n\xff.png"
    try:
        os.rename(root / "train" / "a b" / "0.png", odd)
    except OSError:
        pytest.skip("this file system has no such names")
    assert load(DATA, root, tmp_path / "cache").classes == ("a b", "ż,'")
    with open(odd, "wb") as file:
        file.write(b"x")
    assert "train/a b/x\\n\\\\xff.png" in refusal(root, tmp_path / "cache")


def test_a_second_load_decodes_nothing(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    first = load(DATA, root, tmp_path / "cache")
    path = root / "train" / "cat" / "0.png"
    status = path.stat()
    path.write_bytes(b"x" * status.st_size)  # same name, size and time: not looked at again
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert load(DATA, root, tmp_path / "cache").sha256 == first.sha256


def test_a_changed_folder_is_decoded_again_into_the_same_file(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    first = load(DATA, root, tmp_path / "cache")
    noise(999, 8, 8).save(root / "train" / "cat" / "0.png")
    assert load(DATA, root, tmp_path / "cache").sha256 != first.sha256
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_the_hash_is_of_the_pixels_and_not_of_the_place(tmp_path: Path):
    here = load(DATA, write_folder(tmp_path / "here"), tmp_path / "cache")
    there = load(DATA, write_folder(tmp_path / "there"), tmp_path / "cache")
    assert here.sha256 == there.sha256
    assert here.sha256_of == "pixels and labels"


@pytest.mark.parametrize("threads", [1, 2])
def test_streaming_gives_the_batches_of_memory(
    tmp_path: Path, threads: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(imagefolder, "FILES_A_TASK", 4)  # more tasks than one
    root = write_folder(tmp_path / "pets")
    held = load_folder(root, DATA, tmp_path / "cache")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        streamed = load_folder(root, DATA, tmp_path / "cache", memory_limit_bytes=100)
        assert isinstance(streamed.train, StreamedSplit)
        order = torch.tensor([5, 0, 3, 1, 2])
        pairs = zip(
            batches(held.train, order, 2, CPU), batches(streamed.train, order, 2, CPU), strict=True
        )
        for (images, labels), (same_images, same_labels) in pairs:
            assert torch.equal(images, same_images)
            assert torch.equal(labels, same_labels)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(held.train.moments.pixel_sum, streamed.train.moments.pixel_sum)
    assert torch.equal(held.train.moments.product_sum, streamed.train.moments.product_sum)
    assert int(streamed.train.moments.images) == 6


def test_a_streamed_set_is_known_by_its_files(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    first = load_folder(root, DATA, tmp_path / "cache", memory_limit_bytes=100)
    assert first.sha256_of == "names, sizes and labels of the files"
    os.utime(root / "train" / "cat" / "0.png", (1, 1))
    again = load_folder(root, DATA, tmp_path / "cache", memory_limit_bytes=100)
    assert again.sha256 == first.sha256
    noise(999, 20, 20).save(root / "train" / "cat" / "0.png")
    changed = load_folder(root, DATA, tmp_path / "cache", memory_limit_bytes=100)
    assert changed.sha256 != first.sha256


def test_a_streamed_set_refuses_and_skips_like_one_in_memory(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    (root / "train" / "cat" / "1.png").write_bytes(b"x")
    with pytest.raises(BadInput, match="cannot decode 1 of the files"):
        load_folder(root, DATA, tmp_path / "cache", memory_limit_bytes=100)
    streamed = load_folder(root, skip(), tmp_path / "cache", memory_limit_bytes=100)
    held = load_folder(root, skip(), tmp_path / "cache")
    assert streamed.skipped == held.skipped
    assert int(streamed.train.moments.images) == 5
    order = torch.arange(5)
    (images, labels), (same_images, same_labels) = (
        next(batches(pets.train, order, 5, CPU)) for pets in (held, streamed)
    )
    assert torch.equal(images, same_images)
    assert torch.equal(labels, same_labels)


def test_a_file_that_is_lost_while_streaming_ends_the_run_in_one_line(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    streamed = load_folder(root, DATA, tmp_path / "cache", memory_limit_bytes=100)
    (root / "train" / "dog" / "0.png").unlink()
    with pytest.raises(RunFailed, match=r"dog/0\.png: could be decoded before"):
        list(batches(streamed.train, torch.arange(6), 3, CPU))


def test_the_last_batch_may_be_short(tmp_path: Path):
    pets = load(DATA, write_folder(tmp_path / "pets"), tmp_path / "cache")
    sizes = [len(labels) for _, labels in batches(pets.train, torch.arange(6), 4, CPU)]
    assert sizes == [4, 2]


def test_mixed_modes_and_sizes_train_together(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    Image.new("L", (30, 20), 9).save(root / "train" / "cat" / "grey.jpg")
    Image.new("CMYK", (11, 50), (0, 0, 0, 0)).save(root / "train" / "dog" / "cmyk.jpg")
    pets = load(DATA, root, tmp_path / "cache")
    assert isinstance(pets.train, HeldSplit)
    assert pets.train.images.shape == (8, 8, 8, 3)


PATIENCE_SECONDS = 120
READER = """
import sys, threading
import torch
from alexbench.data.stream import in_workers

def double(chunk):
    return 2 * chunk

if __name__ == "__main__":
    threading.Thread(target=sys.stdin.read, daemon=True).start()
    torch.set_num_threads(2)
    print([int(each) for each in in_workers(double, torch.arange(3).split(1), 0)], flush=True)
"""


def test_workers_start_while_a_thread_reads_what_a_launcher_says(tmp_path: Path):
    (tmp_path / "reader.py").write_text(READER)
    command = [sys.executable, str(tmp_path / "reader.py")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, start_new_session=True) as process:  # type: ignore[call-overload]
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE_SECONDS)
        if not ready:
            os.killpg(process.pid, signal.SIGKILL)  # with the workers that wait
        assert process.stdout.readline() == b"[0, 2, 4]\n"


NO_GUARD = """
import multiprocessing
import torch
from alexbench.data.stream import in_workers

multiprocessing.set_start_method("forkserver")  # Python 3.14's own
torch.set_num_threads(2)
print([int(each) for each in in_workers(lambda chunk: 2 * chunk, torch.arange(3).split(1), 0)])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not fork")
def test_workers_are_forked_so_that_a_script_needs_no_main_guard(tmp_path: Path):
    (tmp_path / "script.py").write_text(NO_GUARD)
    command = [sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert done.stdout == "[0, 2, 4]\n", done.stderr


def test_a_read_error_that_passes_is_not_kept(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = open_folder(root, None, None).train
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(RunFailed, match="cannot be read now: Too many open files"):
            decoded(files, 8)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert decoded(files, 8)["good"].all()


def test_workers_hand_over_their_errors_in_one_line(tmp_path: Path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(RunFailed, match=r"^no more$"):
            list(in_workers(refuse, torch.arange(4).split(1), 0))
    finally:
        torch.set_num_threads(before)


def refuse(chunk: torch.Tensor) -> torch.Tensor:
    raise RunFailed("no more")


def test_with_too_little_shared_memory_threads_do_the_work_and_one_line_says_so(capsys):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    stream.tell_of_shared_memory.cache_clear()
    try:
        found = in_workers(lambda chunk: 2 * chunk, torch.arange(4).split(1), 2**60)
        assert [int(each) for each in found] == [0, 2, 4, 6]
    finally:
        torch.set_num_threads(before)
    (line,) = capsys.readouterr().err.splitlines()
    assert "/dev/shm has" in line
    assert "images are decoded by threads" in line


def test_a_class_that_is_a_link_to_nothing_is_named(tmp_path: Path):
    root = write_folder(tmp_path / "pets")
    (root / "train" / "eel").symlink_to(tmp_path / "unplugged")
    with pytest.raises(BadInput, match="train/eel: is a link to nothing: mend it or remove it"):
        load_folder(root, DATA, tmp_path / "cache")
