"""Why 98.6 % is not 98.6 %: the leak of a random split, measured on the person's own folder."""

import streamlit as st

from core.cohorts.plan import named_audit
from core.errors import StageLensError
from core.files import stamp, typed_path
from core.networks.recipe_files import read_recipe
from core.reporting.plots.leakage import leakage_bars
from core.results import Leakage
from core.words import counted, people
from core.workflows.leakage import BASELINE, FOLDS, measure_leakage
from pages import run_page

LESSON = """
Nearly every published accuracy on the public Alzheimer set lies between 95 and 99 %. The set has 6,400 slices of
**200 people**, 32 of each, and these systems split the *slices* at random: the test shows the network other slices of
the very people it was trained on. Neighbouring slices of one head are all but copies, so it is enough to recognise
*who* it is.

No network is needed to see it. Here the **nearest training picture**, at 32 × 32 pixels, lends its class to each test
picture, and is measured in four ways.
"""
READING = """
- **Slices split at random** is the published protocol. Most test pictures have a near copy among the training
  pictures.
- **People split** asks what a doctor asks: is it right on somebody it has never seen?
- **Random labels** are the control. Every person gets a random class, so disease cannot be learned at all.
  Where slices are split at random the figure stays where it was: it has been measuring who is who.
- **The dotted line** is what always answering the largest class achieves. Bars are 95 % intervals over people.

Accuracy by slice is neither right nor wrong: it answers another question. StageLens keeps each person in one
part unless it is told otherwise, and puts both numbers side by side.
"""


@st.cache_data(max_entries=5, show_spinner=False)
def measure(folder: str, changed: str) -> Leakage:
    """Measure a folder once for everybody; anew when any file in it has changed."""
    del changed  # part of the key
    return measure_leakage(named_audit(folder)[0].table, read_recipe(BASELINE))


def show(found: Leakage) -> None:
    """Show the bars and how to read them."""
    by_slice, by_subject = (found.accuracy(name).value for name in ("by_slice", "by_subject"))
    st.subheader(f"{100 * by_slice:.1f} % on shuffled slices, {100 * by_subject:.1f} % on new people", anchor=False)
    st.plotly_chart(leakage_bars(found), width="stretch", config={"displayModeBar": False}, key="leak")
    whose = f"{counted(found.slices, 'slice')} of {people(found.people)}"
    st.caption(f"{found.recipe}. {whose}; {FOLDS} folds, every slice tested once.")
    st.markdown(READING)


def main() -> None:
    """Run the page."""
    st.title("Why 98.6 % is not 98.6 %", anchor=False)
    st.markdown(LESSON)
    with st.form("folder", border=False):
        typed = st.text_input(
            "Folder of class folders with several slices of each person",
            placeholder="/data/alzheimer_mri",
            help="The folder is read where the dashboard runs; nothing is copied. People are found by the audit.",
        )
        asked = st.form_submit_button("Measure", type="primary", icon=":material/straighten:")
    if not asked and "leak folder" not in st.session_state:
        return
    if asked:
        st.session_state["leak folder"] = typed.strip()
    if not st.session_state["leak folder"]:
        st.info("Give a folder: one folder of slices a class.", icon=":material/folder_open:")
        return
    try:
        folder = typed_path(st.session_state["leak folder"])
        with st.spinner("Finding the people, and comparing every picture with every other …"):
            values = measure(str(folder.resolve()), stamp(folder))
    except StageLensError as error:
        st.error(str(error), icon=":material/error:")
        return
    show(values)


run_page("pages/data_leakage.py", main)
