"""A data set of one's own: what its function may return."""

import numpy as np
import pytest
import torch

from alexbench.config import own_parts
from alexbench.config.schema import DataConfig
from alexbench.data import load
from alexbench.errors import BadInput

IMAGES = "np.arange(6 * 48, dtype=np.uint8).reshape(6, 4, 4, 3)"
GOOD = f"{IMAGES}, [0, 0, 0, 1, 1, 1], {IMAGES}[:2], np.array([0, 1]), ['a', 'b']"


def own(returned: str, **settings) -> DataConfig:
    text = f"import numpy as np\n\ndef load(data, data_root):\n    return {returned}\n"
    name = f"./mydata.py:load@{own_parts.remember(text)}"
    return DataConfig(name=name, image_size=4, **settings)


def test_arrays_become_splits_with_a_hash_of_what_they_hold():
    data = load(own(GOOD), None)
    assert (data.name, data.source, data.classes) == ("./mydata.py:load", "own", ("a", "b"))
    assert data.train.images.shape == (6, 4, 4, 3)
    assert data.train.labels.tolist() == [0, 1, 0, 1, 0, 1]  # classes in turn
    assert data.train.images[:, 0, 0, 0].tolist() == [0, 144, 48, 192, 96, 240]
    assert data.sha256 == load(own(GOOD + "  # another file"), None).sha256
    assert data.sha256 != load(own(GOOD.replace("[0, 1]", "[1, 0]")), None).sha256


@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32", "int8", "bool"])
def test_labels_are_whole_numbers_of_any_type(kind):
    data = load(own(GOOD.replace("np.array([0, 1])", f"np.array([0, 1], '{kind}')")), None)
    assert (data.test.labels.tolist(), data.test.labels.dtype) == ([0, 1], torch.int64)


def test_the_first_images_are_taken_classes_in_turn():
    data = load(own(GOOD, train_images=2, test_images=1), None)
    assert data.train.labels.tolist() == [0, 1]
    assert len(data.test.labels) == 1


def test_the_function_gets_the_section_and_the_folder(tmp_path):
    asked = own("[data.image_size, str(data_root)]")
    with pytest.raises(BadInput, match="returns list, not a tuple of train images, train labels"):
        load(asked, tmp_path)
    assert own_parts.call(asked.name, asked, tmp_path) == [4, str(tmp_path)]


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (GOOD.replace("np.uint8", "float"), "train images: float64 .6, 4, 4, 3., should be uint8"),
        (GOOD.replace("4, 4, 3", "3, 4, 4"), r"should be uint8 \(N, 4, 4, 3\), as data.image_size"),
        (GOOD.replace("[:2]", "[:0]"), r"test labels: int64 \(2,\), should be a whole number an"),
        (GOOD.replace("0, 0, 0", "0, 0, 2"), "train labels: should be 0 to 1, an index of the"),
        (GOOD.replace("0, 0, 0", "0, 0, -1"), "train labels: should be 0 to 1, an index of the"),
        (
            GOOD.replace("np.array([0, 1])", "np.zeros(2, complex)"),
            "complex128 .2,., should be a whole",
        ),
        (
            GOOD.replace("np.array([0, 1])", "np.array([0, 2], 'uint16')"),
            "test labels: should be 0 to",
        ),
        (GOOD.replace("['a', 'b']", "'ab'"), "class names: ab: two or more different texts"),
        (GOOD.replace("'b'", "'a'"), "class names: .'a', 'a'.: two or more different texts"),
        (GOOD.replace("['a', 'b']", "2"), "TypeError: 'int' object is not iterable"),
        ("np.zeros(3, dtype=complex).real[5]", "line 4: IndexError: index 5 is out of bounds"),
        ("open('nothing')", "line 4: FileNotFoundError: .Errno 2. No such file or directory"),
        (f"object(), {GOOD.partition('), ')[2]}", "^./mydata.py:load: "),
    ],
)
def test_what_cannot_be_a_data_set_is_told_in_one_line(returned, said):
    with pytest.raises(BadInput, match=said):
        load(own(returned), None)


def test_more_images_than_there_are_is_told():
    with pytest.raises(BadInput, match=r"train images: 6, but data.train_images is 7$"):
        load(own(GOOD, train_images=7), None)


def test_tensors_are_taken_as_arrays_are():
    text = f"import numpy as np, torch\n\ndef load(data, data_root):\n    x = {IMAGES}\n"
    text += "    x = torch.tensor(x)\n    return x, [0, 1, 0, 1, 0, 1], x, [0] * 6, ('a', 'b')\n"
    name = f"./mydata.py:load@{own_parts.remember(text)}"
    data = load(DataConfig(name=name, image_size=4), None)
    assert torch.equal(data.test.images, torch.tensor(eval(IMAGES, {"np": np})))
