"""The training step as a CUDA graph: recorded once, then replayed by one call of the host.

A small net's step is some 70 kernels, which take the host longer to launch than the GPU to run.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from alexbench.config.schema import TrainConfig
from alexbench.errors import BadInput
from alexbench.kernels import why_not
from alexbench.training.numerics import uses_graph
from alexbench.training.optimizer import PaperSGD
from alexbench.training.state import State, now

Losses = tuple[Tensor, Tensor]  # the mean loss and the logits
Step = Callable[[State, Tensor, Tensor], Losses]
Replay = Callable[[], Losses]
Record = Callable[[Replay], Replay]  # from a call to one that repeats its kernels
WARM_STEPS = 3  # steps as usual before recording: libraries start, and velocities come to be


class RecordedStep:
    """A step that is recorded at its fourth whole batch and replayed from then on.

    Batches of another size, as an epoch's last, take the step as usual. What is recorded holds
    addresses: batches are copied to where the recorded one was, the rates lie on the device, and
    loss and logits are overwritten by the next call. No epoch's time has the recording's.
    """

    def __init__(self, step: Step, batch_size: int, record: Record, warm: Record) -> None:
        self.step, self.batch_size = step, batch_size
        self.record, self.warm = record, warm
        self.warm_steps = 0
        self.replay: Replay | None = None
        self.batch: tuple[Tensor, Tensor] | None = None

    def __call__(self, state: State, inputs: Tensor, labels: Tensor) -> Losses:
        if len(inputs) != self.batch_size:
            return self.step(state, inputs, labels)
        if self.warm_steps < WARM_STEPS:
            self.warm_steps += 1
            return self.warm(lambda: self.step(state, inputs, labels))()
        assert isinstance(state.optimizer, PaperSGD)
        state.optimizer.send_rates()
        if self.batch is None or self.replay is None:
            own, own_labels = inputs.clone(), labels.clone()
            self.batch = own, own_labels
            began = now(inputs.device)  # when the steps before are done
            self.replay = self.record(lambda: self.step(state, own, own_labels))
            state.epoch_began += now(inputs.device) - began
        else:
            for kept, new in zip(self.batch, (inputs, labels), strict=True):
                kept.copy_(new)
        return self.replay()


def recorded(step: Step, train: TrainConfig, state: State, device: torch.device) -> Step:
    """The step as the run asks for it: recorded on CUDA, as it is on a CPU. Raises BadInput."""
    if not uses_graph(train, device):
        return step
    if reason := why_not("triton", device):  # the rate of torch's operators cannot change later
        raise BadInput(f"train.cuda_graph needs Triton for the update: {reason}")
    stream = torch.cuda.Stream(device)

    def warm(call: Replay) -> Replay:
        def on_stream() -> Losses:
            stream.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(stream):
                losses = call()
            torch.cuda.current_stream(device).wait_stream(stream)
            return losses

        return on_stream

    def record(call: Replay) -> Replay:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(state.streams.dropout)
        # other threads may pin memory meanwhile
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            losses = call()

        def replay() -> Losses:
            graph.replay()
            return losses

        return replay

    return RecordedStep(step, train.batch_size, record, warm)
