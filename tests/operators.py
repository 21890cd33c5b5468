"""What torch calls, one operator after the other."""

from collections.abc import Callable

from torch.utils._python_dispatch import TorchDispatchMode


class Operators(TorchDispatchMode):
    """Within it ``hear(name, arguments, named)`` is told of each operator before it is called."""

    def __init__(self, hear: Callable[[str, tuple, dict], object]) -> None:
        super().__init__()
        self.hear = hear

    def __torch_dispatch__(self, operator, types, arguments=(), named=None):
        self.hear(operator.name(), arguments, named or {})
        return operator(*arguments, **(named or {}))
