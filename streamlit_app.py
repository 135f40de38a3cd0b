"""StageLens in the browser: the frame around every page."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import streamlit as st

from core.reporting.text import NOTICE
from pages import FRAMED, WANTED, workers_started

workers_started()
st.set_page_config(page_title="StageLens", page_icon=":material/neurology:", layout="wide")
page = st.navigation(
    [
        st.Page("pages/read_a_scan.py", title="Read a scan", icon=":material/radiology:", default=True),
        st.Page("pages/explain.py", title="Explain", icon=":material/troubleshoot:"),
        st.Page("pages/data.py", title="Data", icon=":material/folder_open:"),
        st.Page("pages/train.py", title="Train", icon=":material/fitness_center:"),
        st.Page("pages/data_leakage.py", title="Data leakage", icon=":material/water_drop:"),
        st.Page("pages/model_cards.py", title="Model cards", icon=":material/model_training:"),
    ],
    position="top",
)
st.session_state[FRAMED] = True
if WANTED in st.session_state:
    st.switch_page(st.session_state.pop(WANTED))
st.caption(f":material/info: {NOTICE}")
page.run()
