"""Train: choose cohort, split and recipe, start a run, watch it, compare runs, and make a model of one."""

import time
from pathlib import Path

import streamlit as st

from core.errors import StageLensError
from core.networks.bundle import models_folder
from core.networks.recipe import Recipe
from core.networks.recipe_files import read_recipe, with_settings
from core.networks.titles import title_of
from core.reporting.plots.training import learning_curves, runs_curves
from core.reporting.tables import runs_table
from core.reporting.text.evaluation import metrics_text
from core.reporting.text.verdict import split_words, verdict
from core.runs import jobs
from core.runs.folder import BUNDLE_FOLDER, card_of_run, is_finished, read_logs, write_recipe
from core.runs.status import STATUS_FILE, Status, list_runs, read_status
from core.runs.workspace import workspace
from core.workflows.library import offered_recipes
from pages import run_page

VALIDATION = {"val_accuracy": "Validation accuracy", "val_loss": "Validation loss"}
TRAINING = {"accuracy": "accuracy", "loss": "loss"}
ICONS = {
    "starting": ":material/hourglass_empty:",
    "queued": ":material/schedule:",
    "running": ":material/play_circle:",
    "finished": ":material/check_circle:",
    "stopped": ":material/pause_circle:",
    "interrupted": ":material/warning:",
    "failed": ":material/error:",
}
FIRST_RECIPE = "s1_resnet50"
NO_BAR = {"displayModeBar": False}


def changed_settings(recipe: Recipe) -> list[str]:
    """Return the settings the person has changed, as key=value."""
    columns = st.columns(4)
    key = recipe.name
    batch = columns[0].number_input("Batch size", 1, 4096, recipe.batch_size, key=f"batch {key}")
    height = columns[1].number_input("Height", 32, 1024, recipe.height, key=f"height {key}")
    width = columns[2].number_input("Width", 32, 1024, recipe.width, key=f"width {key}")
    starts = ["imagenet", "scratch", "file"]
    start = columns[3].selectbox("Start", starts, starts.index(recipe.start), key=f"start {key}")
    settings = [f"batch_size={batch}", f"height={height}", f"width={width}", f'start="{start}"']
    for number, phase in enumerate(recipe.phases, start=1):
        columns = st.columns(4)
        columns[0].markdown(f"**Phase {number}**  \n{phase.trains.replace('_', ' ')}")
        rate = columns[1].text_input("Learning rate", f"{phase.learning_rate:g}", key=f"rate {number} {key}")
        epochs = columns[2].number_input("Epochs, at most", 1, 1000, phase.epochs, key=f"epochs {number} {key}")
        patience = columns[3].number_input("Patience", 1, 1000, phase.patience, key=f"patience {number} {key}")
        path = f"phases.{number}"
        settings += [f"{path}.learning_rate={rate}", f"{path}.epochs={epochs}", f"{path}.patience={patience}"]
    other = st.text_area(
        "Any other setting, one a line",
        placeholder="imbalance.class_weights=true\naugmentation.rotation_degrees=10",
        key=f"other {key}",
        height=68,
    )
    return settings + [line.strip() for line in other.splitlines() if line.strip()]


def begin() -> None:
    """Choose and start a run."""
    splits = sorted(workspace("splits").glob("*.csv"), key=lambda path: -path.stat().st_mtime)
    if not splits:
        st.info("There is no split yet; the page Data makes one.", icon=":material/info:")
        return
    columns = st.columns(2)
    split = columns[0].selectbox("Split", splits, format_func=lambda path: path.stem)
    names = list(offered_recipes())
    shipped = columns[1].selectbox("Recipe", names, names.index(FIRST_RECIPE))
    recipe = read_recipe(shipped)
    st.caption(recipe.title)
    with st.expander("Settings", icon=":material/tune:"):
        settings = changed_settings(recipe)
    weights = None
    try:
        wanted = with_settings(recipe, settings)
    except StageLensError as error:
        st.error(str(error), icon=":material/error:")
        return
    st.caption(f"With these settings: {title_of(wanted)}.")
    if wanted.start == "file":
        weights = st.text_input("Start weights, a file on this computer (.h5 or .safetensors)")
    name = st.text_input("Name of the run", f"{shipped}_{time.strftime('%m%d_%H%M')}", key=f"name {shipped}")
    ready = bool(name.strip()) and (wanted.start != "file" or bool(weights))
    if st.button("Start", type="primary", icon=":material/play_arrow:", disabled=not ready):
        folder = workspace("runs") / "".join(one if one.isalnum() or one in "_-" else "_" for one in name.strip())
        if (folder / STATUS_FILE).exists():
            st.error(f"There is a run {folder.name} already; choose another name.", icon=":material/error:")
            return
        start(folder, wanted, split, weights)
        st.session_state["run"] = folder.name
        st.rerun()


def start(folder: Path, recipe: Recipe, split: Path, weights: str | None) -> None:
    """Start the process that trains; it reads copies, so that later changes of the originals do not touch it."""
    job = folder / jobs.JOB_FOLDER
    job.mkdir(parents=True)
    write_recipe(job / "recipe.toml", recipe)
    (job / "split.csv").write_bytes(split.read_bytes())
    arguments = ["train", str(job / "recipe.toml"), "--split", str(job / "split.csv"), "--out", str(folder)]
    jobs.start(folder, [*arguments, *(["--weights", weights] if weights else [])])


@st.fragment(run_every=2)
def watch(folder: Path, state: str) -> None:
    """Show how a run stands; looks again every two seconds, and draws the page anew where the state is another."""
    status = read_status(folder)
    if status is None or status.state != state:
        st.rerun()
    st.markdown(f"{ICONS[status.state]} **{status.state.capitalize()}** {status.title}")
    if status.message:
        (st.error if status.state == "failed" else st.caption)(status.message)
    if status.live and status.batches:
        st.progress(min(status.batch / status.batches, 1.0), f"batch {status.batch} of {status.batches}")
    left = "" if status.seconds_left is None or not status.live else _minutes(status.seconds_left)
    metrics = {"Device": status.device or "–", "Time left, at most": left or "–"}
    found = status.metrics if status.state != "finished" else {}  # then the test says more, and stands above
    metrics |= {title: f"{found[name]:.3f}" for name, title in VALIDATION.items() if name in found}
    with st.container(horizontal=True, gap="large"):
        for title, value in metrics.items():
            st.metric(title, value, width="content")
    of_training = ", ".join(f"{title} {found[name]:.3f}" for name, title in TRAINING.items() if name in found)
    if of_training:
        st.caption(f"On the batches it is being trained on, which is no result: {of_training}.")
    epochs = read_logs(folder)
    if len(epochs):
        st.plotly_chart(learning_curves(epochs), width="stretch", config=NO_BAR, key=f"curves {folder.name}")
    with st.expander("Log", icon=":material/notes:"):
        st.code(jobs.log_of(folder) or "nothing yet", language=None, wrap_lines=True)


def control(folder: Path, status: Status) -> None:
    """Stop, resume and promote a run."""
    try:
        if status.live:
            if st.button("Stop", icon=":material/stop:"):
                jobs.ask_to_stop(folder)
                st.toast("It stops at its next batch.")
        elif status.state != "finished" and st.button("Resume", icon=":material/resume:"):
            jobs.resume(folder)
            st.rerun()
        if is_finished(folder):
            promote(folder)
    except StageLensError as error:
        st.error(str(error), icon=":material/error:")


def show_result(folder: Path) -> None:
    """Show what the test of a finished run says, its verdict first."""
    card = card_of_run(folder)
    if card is None:
        return
    (st.info if card.split.unseen_people else st.warning)(verdict(card), icon=":material/balance:")
    with st.expander(f"Metrics on the {card.evaluated_on} part", icon=":material/monitoring:", expanded=True):
        st.caption(f"Split {split_words(card.split)}, seed {card.split.seed}.")
        st.code(metrics_text(card), language=None)


def promote(folder: Path) -> None:
    """Make a model of a finished run."""
    if not (folder / BUNDLE_FOLDER).exists():
        return  # a classic classifier leaves no network
    columns = st.columns([3, 1], vertical_alignment="bottom")
    name = columns[0].text_input("Name of the model", folder.name.lower(), key=f"model {folder.name}")
    if columns[1].button(
        "Promote to a model", icon=":material/upgrade:", key=f"promote {folder.name}", width="stretch"
    ):
        made = jobs.promote(folder / BUNDLE_FOLDER, models_folder(), name.strip())
        st.success(f"{made.name} is a model now; Read a scan and Model cards know it.", icon=":material/check:")


def compare(runs: list[str]) -> None:
    """Put runs side by side."""
    chosen = st.multiselect("Runs", runs, runs[:3])
    folders = {name: workspace("runs") / name for name in chosen}
    logs = {name: log for name, folder in folders.items() if len(log := read_logs(folder))}
    if logs:
        st.plotly_chart(runs_curves(logs), width="stretch", config=NO_BAR, key="compare")
    cards = {
        name: card
        for name, folder in folders.items()
        if is_finished(folder) and (card := card_of_run(folder)) is not None
    }
    if cards:
        st.dataframe(runs_table(cards), width="stretch", hide_index=True)
        if len({card.split.hash for card in cards.values()}) > 1:
            st.warning("These runs have different splits: their metrics cannot be compared.", icon=":material/warning:")
    elif chosen:
        st.caption("None of these runs is finished.")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def main() -> None:
    """Run the page."""
    st.title("Train", anchor=False)
    runs = list_runs(workspace("runs"))
    with st.container(border=True):
        st.subheader("A new run", anchor=False)
        begin()
    if not runs:
        return
    st.subheader("Runs", anchor=False)
    names = list(runs)
    remembered = st.session_state.get("run")
    index = names.index(remembered) if remembered in names else 0
    shown = st.selectbox(
        "Run", names, index, format_func=lambda name: f"{name} ({runs[name].state})", label_visibility="collapsed"
    )
    with st.container(border=True):
        if is_finished(workspace("runs") / shown):
            show_result(workspace("runs") / shown)
        watch(workspace("runs") / shown, runs[shown].state)
        control(workspace("runs") / shown, runs[shown])
    if len(names) > 1:
        st.subheader("Compare", anchor=False)
        compare(names)


run_page("pages/train.py", main)
