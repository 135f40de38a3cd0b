"""One training as the command line and the pages run it: its turn on the device, its status, its records."""

from collections.abc import Callable

from core.networks.devices import device_title
from core.service.jobs import Reporter, turn_on
from core.service.run_records import RunRecords
from core.service.training import Outcome, Request, run_training
from core.training.phases import Step


def run_reported(
    request: Request, *, step: Step = lambda *_: None, say: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Train as `run_training` does, when the device is free, with status and records in the run folder.

    Args:
        request: What to train and where.
        step: Called after every batch.
        say: Called with a sentence at each turn.

    Raises:
        Stopped: Somebody put a file "stop" into the run folder; the run can be resumed.
        StageLensError: As raised by `run_training`.
    """
    device = device_title()
    epochs = sum(phase.epochs for phase in request.recipe.phases)
    with Reporter(request.out, device=device, epochs=epochs) as reporter, RunRecords(request) as records:

        def tell(sentence: str) -> None:
            reporter.say(sentence)
            say(sentence)

        def move(title: str, batch: int, batches: int, figures: dict[str, float]) -> None:
            step(title, batch, batches, figures)
            reporter.step(title, batch, batches, figures)

        with turn_on(device, reporter, tell):
            return run_training(request, step=move, say=tell, record=records.record)
