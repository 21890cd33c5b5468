"""The training step as a CUDA graph: recorded once, then replayed by one call of the host.

A small net's step is some 70 kernels, which take the host longer to launch than the GPU to run.
"""

from collections.abc import Callable

import torch

from alexbench.config.schema import TrainConfig
from alexbench.data import Batch
from alexbench.errors import BadInput
from alexbench.kernels import why_not
from alexbench.training.numerics import uses_graph
from alexbench.training.optimizer import PaperSGD
from alexbench.training.state import State, now

Step = Callable[[State, Batch], None]
Replay = Callable[[], None]
Record = Callable[[Replay], Replay]  # from a call to one that repeats its kernels
WARM_STEPS = 3  # steps as usual before recording: libraries start, and velocities come to be


class RecordedStep:
    """A step that is recorded at its fourth whole batch and replayed from then on.

    Batches of another size, as an epoch's last, take the step as usual; where the images' changes
    are of other kinds than before, it is recorded again. What is recorded holds addresses: batches
    are copied to where the recorded one was, and the rates and the epoch's sums stay at their
    place. No epoch's time has the recording's.
    """

    def __init__(self, step: Step, batch_size: int, record: Record, warm: Record) -> None:
        self.step, self.batch_size = step, batch_size
        self.record, self.warm = record, warm
        self.warm_steps = 0
        self.replay: Replay | None = None
        self.batch: Batch | None = None

    def __call__(self, state: State, batch: Batch) -> None:
        if len(batch.labels) != self.batch_size:
            self.step(state, batch)
            return
        if self.warm_steps < WARM_STEPS:
            self.warm_steps += 1
            self.warm(lambda: self.step(state, batch))()
            return
        assert isinstance(state.optimizer, PaperSGD)
        state.optimizer.send_rates()
        if self.replay is None or self.batch is None or self.batch.kinds() != batch.kinds():
            self.batch = self.replay = None  # before another: a graph keeps the memory of its step
            own, device = batch.clone(), batch.labels.device
            began = now(device)  # when the steps before are done
            self.batch, self.replay = own, self.record(lambda: self.step(state, own))
            state.epoch_began += now(device) - began
        else:
            self.batch.copy_(batch)
        self.replay()


def recorded(step: Step, train: TrainConfig, state: State, device: torch.device) -> Step:
    """The step as the run asks for it: recorded on CUDA, as it is on a CPU. Raises BadInput."""
    if not uses_graph(train, device):
        return step
    if reason := why_not("triton", device):  # the rate of torch's operators cannot change later
        raise BadInput(f"train.cuda_graph needs Triton for the update: {reason}")
    stream = torch.cuda.Stream(device)

    def warm(call: Replay) -> Replay:
        def on_stream() -> None:
            stream.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(stream):
                call()
            torch.cuda.current_stream(device).wait_stream(stream)

        return on_stream

    def record(call: Replay) -> Replay:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(state.streams.dropout)
        # other threads may pin memory meanwhile
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            call()
        return graph.replay

    return RecordedStep(step, train.batch_size, record, warm)
