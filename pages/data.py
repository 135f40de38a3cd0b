"""Data: point at a folder of scans, see what is in it and whose, split it, and look at its balance."""

from dataclasses import replace
from pathlib import Path

import streamlit as st

from core.cohorts.audit import Audit
from core.cohorts.names.people import Naming
from core.cohorts.plan import named_audit, plan_split
from core.cohorts.plan.files import contradictions
from core.cohorts.plan.notices import notices
from core.cohorts.split import came_in_parts, default_scheme
from core.cohorts.split_summary import describe_split
from core.cohorts.tasks import TASKS, with_task
from core.cohorts.upload import unpack_cohort
from core.errors import StageLensError
from core.files import stamp, typed_path, write_table
from core.networks.recipe import Oversampling, OversamplingMethod
from core.reporting.plots.cohorts import class_balance, embedding_map
from core.reporting.text.cohorts import audit_text, split_text
from core.runs.workspace import workspace
from core.scans.writing import png_bytes
from core.workflows.embedding_map import SPLIT_TITLES, gallery, map_embeddings
from core.workflows.library import card_titles
from pages import run_page

PIXELS = "Pixels, 32 × 32"
METHODS: dict[str, OversamplingMethod] = {
    "SMOTE": "smote",
    "Borderline SMOTE": "borderline_smote",
    "SVM SMOTE": "svm_smote",
    "ADASYN": "adasyn",
    "Repetition": "repetition",
}
NO_BAR = {"displayModeBar": False}


@st.cache_resource(max_entries=3, show_spinner="Reading every scan of the folder …")
def look_into(folder: str, changed: str, naming: Naming) -> tuple[Audit, tuple[str, ...]]:
    """Audit a folder once for all pages, and say who named its people; anew when any file has changed."""
    del changed  # part of the key
    return named_audit(folder, naming)


def choose_folder() -> Path | None:
    """Return the folder the person points at, or has uploaded."""
    there, uploaded = st.tabs(["A folder on this computer", "Upload a zip"])
    with there:
        typed = st.text_input(
            "Folder of class folders, or of train and test folders of them",
            placeholder="/data/alzheimer_mri",
            help="The folder is read where the dashboard runs; nothing is copied.",
        )
    with uploaded:
        file = st.file_uploader(
            "A zip of class folders", type=["zip"], help="Unpacked into the workspace of the computer that runs this."
        )
    if file is not None:
        return unpack_cohort(file, workspace("uploads"))
    return typed_path(typed) if typed.strip() else None


def choose_naming() -> Naming:
    """Return how the person says who is who, if they do."""
    with st.expander("Who is who, if you know it", icon=":material/badge:"):
        table = st.text_input(
            "Table of ids on this computer", help="With the path of every file within the folder, and its subject."
        )
        pattern = st.text_input(
            "Where a file's path names the person",
            placeholder=r"(?P<subject>sub-\d+)",
            help="A regular expression with a group named subject. OASIS, BIDS, ADNI and AIBL are known without.",
        )
    return Naming(pattern.strip(), typed_path(table) if table.strip() else None)


def show_audit(found: Audit) -> None:
    """Show counts, classes, pictures and findings."""
    facts = found.as_dict()
    people = facts["people"] if facts["people_found"] else "unknown"
    numbers = {
        "Images": f"{facts['images']:,}",
        "People": people,
        "Copies": facts["identical_copies"],
        "Unreadable": len(facts["unreadable"]),
        "Set aside": len(facts["set_aside"]),
    }
    with st.container(horizontal=True, gap="large"):
        for title, value in numbers.items():
            st.metric(title, value, width="content")
    counts = {"Images": facts["images_by_class"]}
    st.plotly_chart(class_balance(counts), width="stretch", config=NO_BAR, key="classes")
    with st.expander("Pictures of each class", icon=":material/grid_view:"):
        shown = gallery(found.table, per_class=8)
        for label in found.task.classes:
            if label in shown:
                st.caption(label)
                st.image([png_bytes(picture) for picture in shown[label]], width=96)
    with st.expander("What the audit found", icon=":material/fact_check:", expanded=True):
        st.code(audit_text(facts), language=None, wrap_lines=True)
    if found.people_known:
        with st.expander("People", icon=":material/groups:"):
            per_subject = found.table.groupby("subject").agg(Class=("label", "first"), Slices=("path", "size"))
            st.dataframe(per_subject.rename_axis("Person"), width="stretch", height=240)


def show_split(found: Audit, folder: Path) -> None:
    """Split the folder and write the table that trainings use."""
    st.subheader("Split", anchor=False)
    possible = {
        "subject": found.people_known,
        "near-copies": not found.people_known,
        "folder": came_in_parts(found.table),
    }
    schemes = {key: title for key, title in SPLIT_TITLES.items() if possible.get(key, True)}
    by = st.radio(
        "How should people be divided?",
        list(schemes),
        format_func=schemes.__getitem__,
        index=list(schemes).index(default_scheme(found.table)),
    )
    ordered = found.task.ordered
    if found.task.name not in TASKS and not ordered:
        ordered = st.checkbox(
            "The classes are stages",
            help="In this order: " + ", ".join(found.task.classes) + ". A task.toml in the folder gives another one.",
        )
    columns = st.columns([1, 3])
    seed = int(columns[0].number_input("Seed", 0, 2**31 - 1, 1))
    name = columns[1].text_input("Name of the split", f"{_plain(folder.name)}_{by}_{seed}")
    try:
        planned = plan_split(with_task(found.table, found.task, ordered=ordered), by, seed=seed)
    except StageLensError as error:
        st.error(str(error), icon=":material/error:")
        return
    described = describe_split(planned.split)
    st.code(split_text(replace(described, subject_overlap=None, missing=())), language=None)
    overlap = (described.subject_overlap,) if described.subject_overlap else ()
    for sentence in (*overlap, *described.missing, *planned.notes):
        st.warning(sentence.removeprefix("WARNING: "), icon=":material/warning:")
    if st.button("Save split", type="primary", icon=":material/save:", disabled=not _plain(name)):
        path = workspace("splits") / f"{_plain(name)}.csv"
        write_table(path, planned.split)
        st.success(f"Saved: {path.name}. The page Train offers it now.", icon=":material/check:")


def show_balance(found: Audit) -> None:
    """Show the classes before and after oversampling, with a map of the embeddings."""
    st.subheader("Balance and embeddings", anchor=False)
    st.caption(
        "Oversampling makes synthetic embeddings between real ones. The map shows both; near dots look alike to the "
        "network that embedded them. Distances across a map mean little."
    )
    columns = st.columns(4)
    method = columns[0].selectbox("Oversampling", list(METHODS))
    largest = int(found.table["label"].value_counts().max())
    target = int(columns[1].number_input("Up to, a class", 1, 1_000_000, largest))
    fitting = [name for name, (_, classes) in card_titles().items() if classes == found.task.classes]
    model = columns[2].selectbox("Embeddings of", [PIXELS, *fitting])
    layout = columns[3].selectbox("Map", ["PCA", "UMAP"])
    if not st.button("Draw the map", icon=":material/scatter_plot:"):
        return
    oversampling = Oversampling(METHODS[method], target, 5)
    chosen = None if model == PIXELS else model
    with st.spinner("Embedding the scans …"):
        try:
            drawn = map_embeddings(found.table, found.task.classes, chosen, oversampling, umap=layout == "UMAP", seed=0)
        except StageLensError as error:
            st.error(str(error), icon=":material/error:")
            return
    if drawn.sampled:
        st.caption(
            f"A sample of {sum(drawn.before.values()):,} of {drawn.sampled:,} scans, and the target shrunk alike."
        )
    bars = class_balance({"Before": drawn.before, f"After {method}": drawn.after})
    st.plotly_chart(bars, width="stretch", config=NO_BAR, key="balance")
    dots = embedding_map(drawn.points, drawn.labels, drawn.synthetic, found.task.classes)
    st.plotly_chart(dots, width="stretch", config=NO_BAR, key="map")


def _plain(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in text.strip())[:80]


def main() -> None:
    """Run the page."""
    st.title("Data", anchor=False)
    try:
        folder = choose_folder()
        if folder is None:
            st.info("Give a folder or a zip: one folder of scans a class.", icon=":material/folder_open:")
            return
        naming = choose_naming()
        changed = stamp(folder) + (stamp(naming.table) if naming.table else "")
        found, notes = look_into(str(folder.resolve()), changed, naming)
    except StageLensError as error:
        st.error(str(error), icon=":material/error:")
        return
    for sentence in (*notices(folder), *notes, *contradictions(found.table)):
        st.warning(sentence.removeprefix("WARNING: "), icon=":material/warning:")
    show_audit(found)
    show_split(found, folder)
    show_balance(found)


run_page("pages/data.py", main)
