"""One file a page: widgets and words.

Until the front page has been visited once, a server takes every `pages/*.py` for a page without the frame around it
(Streamlit's older way of making apps of several pages). Each page therefore begins with `within_frame`.
"""

import streamlit as st

FRAMED, WANTED = "framed", "wanted page"
FRAME = "streamlit_app.py"


def within_frame(page: str) -> None:
    """Come back to a page by way of the frame, if it was come to without.

    Args:
        page: The page's own path, such as "pages/data.py".
    """
    if FRAMED not in st.session_state:
        st.session_state[WANTED] = page
        st.switch_page(FRAME)
