"""The folder of runs with settings by hand: short, safe in a shell, one for each meaning."""

import re

import pytest

from alexbench.errors import BadInput
from alexbench.runs import asked_with


def test_without_settings_the_folder_is_the_profile(tmp_path):
    assert asked_with.folder_name("laptop", {}) == "laptop"
    assert asked_with.label(tmp_path / "laptop") == "laptop"
    assert asked_with.label(tmp_path / "laptop,train.epochs=1") == "laptop,train.epochs=1"  # of old


def test_names_are_short_safe_and_one_for_each_meaning():
    many = {f"model.key{index}": "x" * 100 for index in range(91)}
    asked = [many, {"a": 1}, {"a": 2}, {"a": "1"}, {"a": "; rm -rf $HOME"}, {"a": [1, 2]}]
    names = [asked_with.folder_name("laptop", settings) for settings in asked]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"laptop,[0-9a-f]{10}", name) for name in names)
    assert asked_with.folder_name("laptop", {"a": 1, "b": 2}) == asked_with.folder_name(
        "laptop", {"b": 2, "a": 1}
    )


def test_the_settings_lie_in_the_folder_and_are_its_label(tmp_path):
    settings = {"train.epochs": 1, "data.name": "glyphs"}
    folder = tmp_path / asked_with.folder_name("laptop", settings)
    asked_with.write(settings, folder)
    assert asked_with.read(folder) == settings
    assert asked_with.texts(folder) == ["train.epochs=1", 'data.name="glyphs"']
    assert asked_with.label(folder) == 'laptop,train.epochs=1,data.name="glyphs"'


@pytest.mark.parametrize("content", ["", "[]", "null", '{"train.epochs": 2}', "[" * 99999, "\x00"])
def test_a_damaged_file_of_settings_is_bad_input(tmp_path, content):
    folder = tmp_path / asked_with.folder_name("laptop", {"train.epochs": 1})
    folder.mkdir()
    (folder / asked_with.FILE).write_text(content)
    with pytest.raises(BadInput, match=r"settings\.json: is not what"):
        asked_with.read(folder)
