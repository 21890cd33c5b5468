"""LRN under torch.compile and torch.export, differentiated twice, in place of torch's module."""

import pytest
import torch
from torch import nn

import alexbench
from alexbench.kernels import local_response_norm, why_not
from alexbench.kernels.operator import lrn_operator

PLAIN = ("native", "banded", "slices")


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), alexbench.LocalResponseNorm(5, columns=2), nn.ReLU())


def test_a_net_compiles_whole_and_has_the_values_and_gradients_of_the_eager_one(net):
    images = torch.randn(2, 3, 9, 9)
    results = []
    for each in (net, torch.compile(net, fullgraph=True, backend="aot_eager")):
        net.zero_grad()
        y = each(images)
        y.square().sum().backward()
        results.append((y.detach(), net[0].weight.grad))
    for eager, compiled in zip(*results, strict=True):
        torch.testing.assert_close(compiled, eager)


def test_a_net_is_exported_with_one_operator_for_the_norm(net):
    images = torch.randn(2, 3, 9, 9)
    exported = torch.export.export(net, (images,))
    names = [str(node.target) for node in exported.graph.nodes]
    assert names.count("alexbench.lrn.default") == 1
    torch.testing.assert_close(exported.module()(images), net(images))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # opcheck's own
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("implementation", ["auto", "banded"])
def test_the_operator_keeps_its_promises_to_the_compiler(memory_format, implementation):
    x = torch.randn(2, 8, 5, 5).to(memory_format=memory_format).requires_grad_()
    told = torch.library.opcheck(lrn_operator, (x, 5, 1e-4, 0.75, 1.0, implementation, 2))
    assert set(told.values()) == {"SUCCESS"}


@pytest.mark.parametrize("implementation", PLAIN)
@pytest.mark.parametrize("size", [1, 4, 5])
@pytest.mark.parametrize("rectify", [False, True])
def test_a_second_derivative_is_right(implementation, size, rectify):
    if reason := why_not(implementation, "cpu"):
        pytest.skip(reason)
    torch.manual_seed(0)
    x = torch.randn(2, 6, 2, 2, dtype=torch.float64, requires_grad=True)

    def norm(x: torch.Tensor) -> torch.Tensor:
        return local_response_norm(x, size, 0.3, 0.75, 2.0, implementation, rectify=rectify)

    assert torch.autograd.gradgradcheck(norm, x)
    # also where the gradient that comes in needs none itself: it was silently wrong
    (gradient,) = torch.autograd.grad(norm(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), x)
    given = x.relu() if rectify else x
    reference = nn.functional.local_response_norm(given, size, 0.3, 0.75, 2.0).sum()
    (gradient,) = torch.autograd.grad(reference, x, create_graph=True)
    torch.testing.assert_close(second, torch.autograd.grad(gradient.square().sum(), x)[0])


def test_the_module_takes_the_place_of_torchs():
    x = torch.randn(2, 8, 4, 4)
    for parameters in ((5,), (3, 1e-2), (4, 0.1, 0.5, 2.0)):
        own, theirs = alexbench.LocalResponseNorm(*parameters), nn.LocalResponseNorm(*parameters)
        torch.testing.assert_close(own(x), theirs(x))
    torch.testing.assert_close(local_response_norm(x, 5), nn.LocalResponseNorm(5)(x))
