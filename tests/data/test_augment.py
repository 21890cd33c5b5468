import pytest
import torch
from torch import Tensor

from alexbench.config.schema import AugmentConfig, DataConfig
from alexbench.data import Dataset, HeldSplit, Pixels, describe
from alexbench.data.augment import crops, draw, reversed_alone, reversed_of_all
from alexbench.data.moments import moments
from alexbench.data.share import BatchShare
from alexbench.errors import BadInput

CPU = torch.device("cpu")
PLAIN = AugmentConfig(crop_size=6, crops=False, mirror=False, pca_colour="none")


def random_split(images: int = 40, side: int = 6) -> HeldSplit:
    generator = torch.Generator().manual_seed(7)
    pixels = torch.randint(0, 256, (images, side, side, 3), generator=generator)
    return HeldSplit(pixels.to(torch.uint8), torch.zeros(images, dtype=torch.int64))


SPLIT = random_split()


def pixels_for(data: dict | None = None, **augment: object) -> Pixels:
    config = PLAIN.model_copy(update=augment)
    data_config = DataConfig(image_size=6).model_copy(update=data or {})
    return Pixels(SPLIT, data_config, config, CPU)


def inputs_for(seed: int = 0, data: dict | None = None, **augment: object) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return pixels_for(data, **augment).augment(SPLIT.images, generator)


def nchw(images: Tensor) -> Tensor:
    return images.permute(0, 3, 1, 2).float()


MEAN = SPLIT.images.double().mean(0).float()


def test_the_mean_of_each_pixel_is_subtracted():
    torch.testing.assert_close(inputs_for(), nchw(SPLIT.images) - nchw(MEAN[None]))


def test_the_mean_of_each_channel_is_subtracted():
    channel = MEAN.mean((0, 1))[None, None, None]
    inputs = inputs_for(data={"mean": "per_channel"})
    torch.testing.assert_close(inputs, nchw(SPLIT.images) - nchw(channel))


def test_without_a_mean_the_pixels_themselves_are_the_inputs():
    torch.testing.assert_close(inputs_for(data={"mean": "none"}), nchw(SPLIT.images))


def test_the_scale_divides_after_the_mean():
    torch.testing.assert_close(inputs_for(data={"scale": 64.0}), inputs_for() / 64)


def test_inputs_are_channels_last_in_memory():
    for inputs in (inputs_for(), inputs_for(padding=2), inputs_for(crop_size=4, crops=True)):
        assert inputs.is_contiguous(memory_format=torch.channels_last)
        assert inputs.dtype == torch.float32


def test_crops_are_cut_at_their_corners():
    corners = torch.tensor([[0, 0], [2, 1], [1, 2]])
    top_left = (torch.arange(3) * 6 + corners[:, 0]) * 6 + corners[:, 1]
    cut = crops(SPLIT.images[:3], top_left, 4).view(3, 4, 4, 3)
    for image, crop, (row, column) in zip(SPLIT.images, cut, corners.tolist(), strict=False):
        assert torch.equal(crop, image[row : row + 4, column : column + 4])


@pytest.mark.parametrize("mirror", [reversed_alone, reversed_of_all])
def test_a_mirror_image_is_reversed_from_left_to_right_only(mirror):
    image = torch.tensor([[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]])  # rows of RGB pixels
    rows = image[None].repeat(2, 1, 1, 1).flatten(2)
    turned = mirror(rows, torch.tensor([False, True])).view(2, 2, 2, 3)
    assert torch.equal(turned[0], image)
    assert turned[1].tolist() == [[[4, 5, 6], [1, 2, 3]], [[10, 11, 12], [7, 8, 9]]]


def test_the_centre_of_the_mean_is_subtracted_from_a_crop_wherever_it_was_cut():
    inputs = inputs_for(crop_size=4, crops=True)
    positions = draw(40, torch.Generator().manual_seed(0)).positions
    mean = MEAN[1:5, 1:5]
    for image, row_column, made in zip(SPLIT.images, positions, inputs, strict=True):
        row, column = (row_column * 3).long().tolist()
        crop = image[row : row + 4, column : column + 4].float() - mean
        torch.testing.assert_close(made, crop.permute(2, 0, 1))


def test_every_crop_of_a_batch_has_its_own_position_and_all_positions_occur():
    same = torch.arange(36, dtype=torch.uint8).view(6, 6, 1).repeat(1, 1, 3)
    batch = same.repeat(200, 1, 1, 1)
    pixels = pixels_for({"mean": "none"}, crop_size=4, crops=True)
    made = pixels.augment(batch, torch.Generator().manual_seed(0))
    corners = set(made[:, 0, 0, 0].int().tolist())
    assert corners == {6 * row + column for row in range(3) for column in range(3)}


def test_every_image_of_a_batch_is_mirrored_or_not_by_itself():
    made, still = inputs_for(data={"mean": "none"}, mirror=True), nchw(SPLIT.images)
    turned = [torch.equal(a, b.flip(2)) for a, b in zip(made, still, strict=True)]
    kept = [torch.equal(a, b) for a, b in zip(made, still, strict=True)]
    assert [a != b for a, b in zip(turned, kept, strict=True)] == [True] * 40
    assert 10 < sum(turned) < 30


def test_padding_is_zero_after_the_mean_was_subtracted_where_it_belongs():
    made = inputs_for(crop_size=10, padding=2)  # all of the padded image
    inner = nchw(SPLIT.images) - nchw(MEAN[None])
    torch.testing.assert_close(made[:, :, 2:8, 2:8], inner)
    made[:, :, 2:8, 2:8] = 0
    assert not made.any()


def test_padded_crops_are_cut_out_of_the_padded_image():
    made = inputs_for(crop_size=6, padding=2, crops=True)
    whole = inputs_for(crop_size=10, padding=2)
    positions = draw(40, torch.Generator().manual_seed(0)).positions
    for padded, row_column, crop in zip(whole, positions, made, strict=True):
        row, column = (row_column * 5).long().tolist()
        assert torch.equal(crop, padded[:, row : row + 6, column : column + 6])


def test_a_crop_larger_than_the_padded_image_is_refused():
    with pytest.raises(BadInput, match=r"augment\.crop_size: 11 .* = 10$"):
        pixels_for(crop_size=11, padding=2)


@pytest.mark.parametrize(("reading", "power"), [("paper", 1.0), ("as_run", 0.5)])
def test_colour_noise_follows_the_eigenvectors_of_the_colours(reading: str, power: float):
    made = inputs_for(pca_colour=reading, pca_sd=0.3) - inputs_for()
    colours = SPLIT.images.reshape(-1, 3).double().numpy() / 255
    values, vectors = torch.linalg.eigh(torch.cov(torch.tensor(colours).T, correction=0))
    normal = draw(40, torch.Generator().manual_seed(0)).colour.double()
    vectors = vectors * torch.where(vectors.sum(0) < 0, -1, 1)
    shift = 255 * (normal * 0.3 * values**power) @ vectors.T
    expected = shift.float()[:, :, None, None].expand(40, 3, 6, 6)
    torch.testing.assert_close(made, expected, atol=1e-3, rtol=1e-3)
    assert len(made[:, 0, 0, 0].unique()) == 40  # another shift for every image


def test_one_generator_state_gives_one_batch_and_the_next_state_another():
    settings = {"crop_size": 4, "crops": True, "mirror": True, "pca_colour": "paper"}
    assert torch.equal(inputs_for(3, **settings), inputs_for(3, **settings))
    assert not torch.equal(inputs_for(3, **settings), inputs_for(4, **settings))


def test_switching_one_kind_of_noise_changes_no_draw_of_the_others():
    everything = {"crop_size": 4, "crops": True, "mirror": True, "pca_colour": "paper"}
    coloured = inputs_for(**everything)
    plain = inputs_for(**(everything | {"pca_colour": "none"}))
    shift = coloured - plain
    torch.testing.assert_close(shift, shift[:, :, :1, :1].expand_as(shift), atol=1e-3, rtol=0)
    for settings in (everything, everything | {"mirror": False}, everything | {"crops": False}):
        generator = torch.Generator().manual_seed(0)
        pixels_for(**settings).augment(SPLIT.images, generator)
        after = torch.rand(1, generator=generator)
        reference = torch.Generator().manual_seed(0)
        draw(40, reference)
        assert torch.equal(after, torch.rand(1, generator=reference))


def test_an_epoch_drawn_ahead_has_the_bits_of_its_batches_drawn_one_by_one():
    everything = {"crop_size": 4, "crops": True, "mirror": True, "pca_colour": "paper"}
    pixels = pixels_for(**everything)
    one_by_one, ahead = (torch.Generator().manual_seed(5) for _ in range(2))
    parts = SPLIT.images.split(12)  # 12, 12, 12, 4
    drawn = [pixels.augment(part, one_by_one) for part in parts]
    changes = list(pixels.changes(40, ahead, 0, 12))
    for part, change, expected in zip(parts, changes, drawn, strict=True):
        assert torch.equal(pixels.changed(part, change), expected)
    assert torch.equal(ahead.get_state(), one_by_one.get_state())
    shares = [BatchShare(rank, 2) for rank in range(2)]
    halves = [list(pixels.changes(40, ahead.manual_seed(5), 0, 12, each)) for each in shares]
    for number, part in enumerate(parts):
        rows = [share.rows_of(len(part)) for share in shares]
        own = [pixels.changed(part[r], half[number]) for r, half in zip(rows, halves, strict=True)]
        assert torch.equal(torch.cat(own), drawn[number])


def test_the_test_input_is_the_centre_of_the_image():
    made = pixels_for(crop_size=4).centre(SPLIT.images)
    expected = SPLIT.images[:, 1:5, 1:5].float() - MEAN[1:5, 1:5]
    torch.testing.assert_close(made, expected.permute(0, 3, 1, 2))


def test_ten_crop_is_four_corners_and_the_centre_and_their_mirror_images():
    pixels = pixels_for(crop_size=4)
    views = list(pixels.views(SPLIT.images, "ten_crop"))
    expected = []
    for row, column in ((0, 0), (0, 2), (1, 1), (2, 0), (2, 2)):
        expected.append(SPLIT.images[:, row : row + 4, column : column + 4])
    expected += [view.flip(2) for view in expected]
    assert len(views) == 10
    for made, view in zip(views, expected, strict=True):
        inputs = view.float() - MEAN[1:5, 1:5]
        torch.testing.assert_close(made, inputs.permute(0, 3, 1, 2))


def test_test_inputs_do_not_change_the_images_that_are_held():
    before = SPLIT.images.clone()
    list(pixels_for(crop_size=6).views(SPLIT.images, "ten_crop"))
    inputs_for(mirror=True, crops=True)
    assert torch.equal(SPLIT.images, before)


def test_moments_are_exact_and_add_up():
    images = random_split(900, 3).images
    whole, parts = moments(images), moments(images[:333]) + moments(images[333:])
    assert torch.equal(whole.pixel_sum, images.long().sum(0))
    flat = images.reshape(-1, 3).long()
    assert torch.equal(whole.product_sum, flat.T @ flat)
    assert torch.equal(whole.product_sum, parts.product_sum)
    assert torch.equal(whole.pixel_sum, parts.pixel_sum)
    assert int(whole.images) == int(parts.images) == 900


def test_colour_noise_can_end_and_its_gain_with_it():
    settings = {"pca_colour": "paper", "pca_epochs": 2, "pca_rescale": True}
    noisy, plain = inputs_for(pca_colour="paper"), inputs_for()
    for epoch, expected in ((0, noisy / 1.1), (1, noisy / 1.1), (2, plain)):
        generator = torch.Generator().manual_seed(0)
        made = pixels_for(**settings).augment(SPLIT.images, generator, epoch)
        torch.testing.assert_close(made, expected)
    torch.testing.assert_close(
        pixels_for(**settings).centre(SPLIT.images), pixels_for().centre(SPLIT.images)
    )


def test_a_record_holds_the_components_of_the_colours():
    data = Dataset("noise", "made here", ("a",), SPLIT, SPLIT, "", "")
    assert "colour_components" not in describe(data, PLAIN)
    told = describe(data, PLAIN.model_copy(update={"pca_colour": "paper"}))["colour_components"]
    covariance = torch.cov(SPLIT.images.reshape(-1, 3).double().T / 255, correction=0)
    directions = torch.tensor(told["directions"])
    made = directions.T @ torch.diag(torch.tensor(told["variances"])) @ directions
    torch.testing.assert_close(made, covariance.to(made.dtype))
