"""Equal parts of every batch, counted by hand."""

import pytest
import torch
from torch.nn import functional as F

from alexbench.data.share import IGNORED, BatchShare


def test_seven_images_fall_to_three_processes_and_the_last_one_fills_up():
    shares = [BatchShare(rank, 3) for rank in range(3)]
    for share in shares:
        share.begin(7)
    assert [share.rows.tolist() for share in shares] == [[0, 1, 2], [3, 4, 5], [6, 6, 6]]
    labels = torch.tensor([5, 6, 7, 8, 9, 10, 11])
    own = [share.labels(labels[share.rows]).tolist() for share in shares]
    assert own == [[5, 6, 7], [8, 9, 10], [11, IGNORED, IGNORED]]


def test_a_process_may_have_nothing_but_fillers():
    share = BatchShare(3, 4)
    share.begin(2)
    assert share.labels(torch.tensor([1])).tolist() == [IGNORED]
    loss = share.loss(torch.zeros(1, 5, requires_grad=True), torch.tensor([IGNORED]))
    loss.backward()
    assert float(loss.detach()) == 0


def test_an_epoch_is_cut_batch_by_batch():
    order = torch.tensor([9, 8, 7, 6, 5, 4, 3])
    assert BatchShare(0, 2).order(order, 4).tolist() == [9, 8, 5, 4]
    assert BatchShare(1, 2).order(order, 4).tolist() == [7, 6, 3, 3]
    assert BatchShare().order(order, 4).tolist() == order.tolist()


def test_the_losses_of_the_shares_add_up_to_the_mean_of_the_batch():
    logits = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(7) % 5
    parts = []
    for rank in range(3):
        share = BatchShare(rank, 3)
        share.begin(7)
        parts.append(float(share.loss(logits[share.rows], share.labels(labels[share.rows]))))
    assert sum(parts) == pytest.approx(float(F.cross_entropy(logits, labels)))
