"""Parts of one's own: which files may be named, by whom, and what becomes of their bytes."""

import hashlib
import os
from pathlib import Path

import pytest

from alexbench.config import own_parts
from alexbench.config.ablation import Ablation
from alexbench.config.load import load_ablation
from alexbench.errors import BadInput
from tests.sweeps import ABLATION

NET = "raise SystemExit('this file runs')\n"
OWN = "  wide: {model.name: ./mynet.py:build}"


def write(folder: Path, variant: str = OWN, net: str | bytes = NET) -> Path:
    path = folder / "mine.yaml"
    path.write_text(ABLATION.replace("  wide: {model.width: 0.25}", variant))
    (folder / "mynet.py").write_bytes(net.encode() if isinstance(net, str) else net)
    return path


def load(folder: Path, variant: str = OWN, **options) -> Ablation:
    return load_ablation(str(write(folder, variant)), **options)


def test_the_hash_of_the_file_is_part_of_the_setting_and_its_text_of_the_record(tmp_path):
    ablation = load(tmp_path)
    sha256 = hashlib.sha256(NET.encode()).hexdigest()
    assert ablation.variants["wide"].model.name == f"./mynet.py:build@{sha256}"
    assert ablation.files["ablations/mynet.py"] == NET
    assert list(ablation.files) == ["ablations/mine.yaml", "ablations/mynet.py"]


def test_reading_an_ablation_does_not_run_the_file(tmp_path):
    value = load(tmp_path).variants["wide"].model.name
    with pytest.raises(BadInput, match=r"\./mynet.py:build: line 1: SystemExit: this file runs$"):
        own_parts.call(value)


def test_a_record_has_what_the_folder_has_not(tmp_path):
    first = load(tmp_path)
    (tmp_path / "mynet.py").unlink()
    again = load_ablation(str(tmp_path / "mine.yaml"), files=first.files)
    assert again.variants == first.variants
    with pytest.raises(BadInput, match=r"mynet.py: cannot be read: No such file"):
        load_ablation(str(tmp_path / "mine.yaml"))


def test_without_the_ablations_file_no_file_of_this_folder_is_read(tmp_path, monkeypatch):
    first = load(tmp_path)
    (tmp_path / "mine.yaml").unlink()
    (tmp_path / "mynet.py").write_text("something = 'else'")
    monkeypatch.chdir(tmp_path)
    assert load_ablation("mine", files=first.files).variants == first.variants


@pytest.mark.parametrize(
    "value",
    [
        "../mynet.py:build",
        "/tmp/mynet.py:build",
        "./sub/mynet.py:build",
        "mynet.py:build",
        "./mynet.py",
        "./mynet.py:a.b",
        "./..py:build",
    ],
)
def test_a_part_is_a_file_of_the_ablations_own_folder(tmp_path, value):
    with pytest.raises(BadInput, match=r"mine.yaml: model.name: .*own is ./FILE.py:FUNCTION, with"):
        load(tmp_path, f"  wide: {{model.name: {value!r}}}")


def test_a_link_out_of_the_folder_is_refused_and_one_within_is_not(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    path = write(inside)
    (inside / "mynet.py").rename(tmp_path / "outside.py")
    (inside / "mynet.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises(BadInput, match=r"mynet.py: is a link out of the ablation's folder"):
        load_ablation(str(path))
    (inside / "mynet.py").unlink()
    (tmp_path / "outside.py").rename(inside / "other.py")
    (inside / "mynet.py").symlink_to(inside / "other.py")
    load_ablation(str(path))


def test_what_is_no_file_of_text_is_refused(tmp_path):
    path = write(tmp_path, net=b"x" * 200_001)
    with pytest.raises(BadInput, match=r"mynet.py: has more than 200,000 bytes"):
        load_ablation(str(path))
    path = write(tmp_path, net=b"\xff")
    with pytest.raises(BadInput, match=r"mynet.py: is not text in UTF-8"):
        load_ablation(str(path))
    (tmp_path / "mynet.py").unlink()
    os.mkfifo(tmp_path / "mynet.py")
    with pytest.raises(BadInput, match=r"mynet.py: cannot be read: it is a FIFO"):
        load_ablation(str(path))


def test_settings_by_hand_may_repeat_what_the_file_says_and_name_no_other_code(tmp_path):
    settings = ["model.name=./mynet.py:build"]
    ablation = load(tmp_path, "  wide: {model.name: ./mynet.py:build, model.width: 0.25}")
    with pytest.raises(
        BadInput, match=r"^--set: model.name: ./mynet.py:build: code that runs must"
    ):
        load(tmp_path, "  wide: {model.width: 0.25}", settings=settings)
    pinned = ablation.variants["wide"].model.name
    path = write(tmp_path, "  wide: {model.name: ./mynet.py:build, model.width: 0.25}")
    for said in (settings, [f"model.name={pinned}"]):
        asked = load_ablation(str(path), settings=said)
        assert asked.variants["narrow"].model.name == pinned
    for other in ("./mynet.py:other", "./acts.py:build", "../mynet.py:build"):
        with pytest.raises(BadInput, match="code that runs must stand in the ablation's file"):
            load_ablation(str(path), settings=[f"model.name={other}"])
    with pytest.raises(BadInput, match=r"train.optimizer: ./mynet.py:build: code that runs must"):
        load_ablation(str(path), settings=["train.optimizer=./mynet.py:build"])


@pytest.mark.parametrize("key", own_parts.KEYS)
@pytest.mark.parametrize("value", ["[1]", "{a: 1}", "[]", "null", "3"])
def test_a_setting_by_hand_that_is_no_text_is_refused_in_one_line(key, value):
    with pytest.raises(BadInput, match=f"^--set: {key}: "):
        load_ablation("lrn", settings=[f"{key}={value}"])


def test_a_profile_names_no_code(tmp_path):
    scale = tmp_path / "small.yaml"
    scale.write_text("regime: modern\nseeds: 1\nconfig: {model.name: ./mynet.py:build}\n")
    with pytest.raises(BadInput, match=r"small.yaml: model.name: .*: code that runs must stand in"):
        load(tmp_path, profile=str(scale))


def test_a_file_that_is_named_with_a_hash_must_have_it(tmp_path):
    with pytest.raises(BadInput, match=r"./mynet.py:build: the file has another SHA-256"):
        load(tmp_path, f"  wide: {{model.name: './mynet.py:build@{'0' * 64}'}}")


def test_an_unknown_name_is_told_with_the_form_of_ones_own(tmp_path):
    with pytest.raises(BadInput, match=r"'swish' is not allowed, it should be 'relu', 'tanh' or "):
        load(tmp_path, "  wide: {model.activation: swish}")
    with pytest.raises(BadInput, match=r"'scaled_tanh', or ./FILE.py:FUNCTION of your own$"):
        load(tmp_path, "  wide: {model.activation: swish}")


def test_a_cell_of_a_matrix_is_called_by_the_function(tmp_path):
    path = write(tmp_path, "  wide: {}")
    text = path.read_text().partition("variants:")[0].replace("baseline: narrow", "baseline: relu")
    matrix = "matrix: {model.activation: [relu, ./mynet.py:swish]}\n"
    path.write_text(text.replace("claims: {lrn: wide}", "claims: {}") + matrix)
    assert list(load_ablation(str(path)).variants) == ["relu", "swish"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("train.layer_lr_factor: {conv1: 2}", "layer_lr_factor is for alexbench's own layers, not"),
        ("train.cuda_graph: true", "train.cuda_graph is for alexbench's own nets, not for ./mynet"),
        ("evaluate.saturation_images: 5", "evaluate.saturation_images is for alexbench's own nets"),
        (
            "train.placement: data_parallel, train.replicas: 2",
            "train.placement is data_parallel, but ./mynet.py:build needs one",
        ),
    ],
)
def test_what_an_own_net_has_not_is_refused(tmp_path, settings, said):
    with pytest.raises(BadInput, match=said):
        load(tmp_path, f"  wide: {{model.name: ./mynet.py:build, {settings}}}")
