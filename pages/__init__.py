"""One file a page: widgets and words.

Until the front page has been visited once, a server takes every `pages/*.py` for a page without the frame around it
(Streamlit's older way of making apps of several pages). Each page therefore is run by `run_page`.
"""

from collections.abc import Callable, Mapping

import streamlit as st

from core.errors import StageLensError, of_files
from core.networks.inference.prediction import Prediction
from core.reporting.text.predictions import ood_text
from core.workflows.library import default_model

FRAMED, WANTED = "framed", "wanted page"
FRAME = "streamlit_app.py"
NAME_WIDTH = 380  # pixels; a network's title is a sentence


def run_page(page: str, main: Callable[[], None]) -> None:
    """Run a page, by way of the frame if it was come to without; what it cannot do is said in one line.

    Args:
        page: The page's own path, such as "pages/data.py".
        main: Shows the page.
    """
    if FRAMED not in st.session_state:
        st.session_state[WANTED] = page
        st.switch_page(FRAME)
    try:
        main()
    except StageLensError as error:
        st.error(str(error), icon=":material/error:")
    except OSError as error:  # a full disk, a folder that is read-only, a name that is too long
        st.error(str(of_files(error)), icon=":material/error:")


def choose_network(titles: Mapping[str, str]) -> str:
    """Let one of the networks be chosen by its title.

    Args:
        titles: By name.
    """
    names = list(titles)
    return st.selectbox(
        "Network", names, names.index(default_model()), format_func=titles.__getitem__, width=NAME_WIDTH
    )


def is_in_distribution(prediction: Prediction, key: str) -> bool:
    """Say so where a scan is out of distribution, before any stage, and let the person decide to look anyway.

    Args:
        prediction: What the network says of the scan.
        key: Of the switch, different for each scan on a page.
    """
    if prediction.ood is None or not prediction.rejected:
        return True
    st.error(ood_text(prediction.ood.as_dict()), icon=":material/block:")
    return bool(st.toggle("Show anyway (not validated for this image)", key=f"ood {key}"))
