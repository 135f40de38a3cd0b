"""One file a page: widgets and words.

Until the front page has been visited once, a server takes every `pages/*.py` for a page without the frame around it
(Streamlit's older way of making apps of several pages). Each page therefore is run by `run_page`.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import streamlit as st

from core.errors import StageLensError, of_files
from core.networks.bundle import bundle_names
from core.networks.inference.prediction import Prediction
from core.reporting.text.predictions import ood_text
from core.runs.workers import Cancelled, Ticket, pool, workers_wanted
from core.scans import Scan
from core.words import counted
from core.workflows.asked import knowing_of, loaded
from core.workflows.library import default_model, models_of_other_questions
from core.workflows.predict import bundle_version

FRAMED, WANTED, SHOWN = "framed", "wanted page", "shown page"
FRAME = "streamlit_app.py"
TICKETS, KNOWING = "work that is waited for", "which models know a picture"
AT_ONCE_S, LOOK_S = 0.4, 0.5  # what is done sooner shows no line; how often it is written anew, and a widget is heeded
MODEL = "model"  # the key of its choice
NAME_WIDTH = 430  # pixels; a network's title is a sentence


def run_page(page: str, main: Callable[[], None]) -> None:
    """Run a page, by way of the frame if it was come to without; what it cannot do is said in one line.

    Args:
        page: The page's own path, such as "pages/data.py".
        main: Shows the page.
    """
    if FRAMED not in st.session_state:
        st.session_state[WANTED] = page
        st.switch_page(FRAME)
    if st.session_state.get(SHOWN) != page:
        leave(None)
        st.session_state[SHOWN] = page
    try:
        main()
    except Cancelled:
        return  # it is said where it would stand
    except StageLensError as error:
        st.error(str(error), icon=":material/error:")
    except OSError as error:  # a full disk, a folder that is read-only, a name that is too long
        st.error(str(of_files(error)), icon=":material/error:")


def choose_model(titles: Mapping[str, str]) -> str:
    """Let one of the models be chosen by its title.

    Args:
        titles: By name.
    """
    names, first = list(titles), default_model()
    chosen = st.session_state.get(MODEL)
    if chosen not in names:
        chosen = first if first in names else names[0]
    st.session_state[MODEL] = chosen  # anew each time: a choice among other models, of another page, is another widget
    return st.selectbox("Model", names, format_func=titles.__getitem__, width=NAME_WIDTH, key=MODEL)


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


def propose_other_question(label: str, scan: Scan, prediction: Prediction) -> None:
    """Say which network of another question knows such a picture, so that none is asked silently."""
    others = models_of_other_questions(prediction.model)
    if scan.is_volume or not others:
        return
    versions = {bundle_version(name): name for name in others}
    known = st.session_state.setdefault(KNOWING, {})
    key = ("knowing", scan.digest, *versions)
    if key not in known:
        known[key] = computed(key, "Asking the other networks …", knowing_of, [one for one, _ in versions], scan)
    for version, name in versions.items():
        if version[0] not in known[key]:
            continue
        question = others[name]
        if prediction.rejected:
            st.info(f"Another network knows such pictures. Its question: **{question}**.", icon=":material/help:")
        else:
            st.caption(f"Another network knows such pictures, too, and answers another question: {question}.")
        st.button(
            f"Ask: {question}",
            type="primary" if prediction.rejected else "secondary",
            icon=":material/swap_horiz:",
            key=f"ask {name} {label} {scan.name}",
            on_click=lambda other=name: st.session_state.update({MODEL: other}),
        )


def computed(key: Hashable, title: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Let a worker process compute something, and show meanwhile how far it is; other people's pages go on.

    A page that runs again meanwhile, because somebody moved a slider, goes on waiting for the same piece of work; one
    that asks for something else cancels it. The answer is this session's alone.

    Args:
        key: What is asked for, with all that it depends on.
        title: What is shown meanwhile.
        function: Of `core.workflows`.
        arguments: Of the function.

    Raises:
        StageLensError: What the function raises, or that it was cancelled.
    """
    if not workers_wanted():
        with st.spinner(title):
            return function(*arguments)
    tickets = leave(key)
    if key not in tickets:
        tickets[key] = pool().submit(function, *arguments)
    ticket = tickets[key]
    place = st.empty()
    if not ticket.wait(AT_ONCE_S):
        with place.container(horizontal=True, vertical_alignment="center"):
            line = st.empty()
            if st.button("Cancel", key=f"cancel {key}"):
                ticket.cancel()
        while not ticket.wait(LOOK_S):
            line.markdown(f":material/hourglass_top: {_in_line(ticket) or ticket.said or title}")
    place.empty()
    try:
        found = ticket.result()
    except Cancelled:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(":material/cancel: Cancelled.", width="content")
            wanted = st.button("Compute it after all", key=f"again {key}", icon=":material/refresh:")
        if not wanted:
            raise
        del tickets[key]
        st.rerun()
    except Exception:
        tickets.pop(key, None)  # whoever comes back tries anew
        raise
    tickets.pop(key, None)
    return found


@st.cache_resource(show_spinner=False)
def workers_started() -> None:
    """Let a worker load the default network, once a server, while the first page is drawn."""
    if workers_wanted() and bundle_names():
        pool().submit(loaded, bundle_version(default_model())[0])


def leave(key: Hashable) -> dict[Hashable, Ticket]:
    """Cancel what this session waits for, but for one piece of work; return that, if there is."""
    tickets: dict[Hashable, Ticket] = st.session_state.setdefault(TICKETS, {})
    for other in [one for one in tickets if one != key]:
        tickets.pop(other).cancel()
    return tickets


def _in_line(ticket: Ticket) -> str:
    before = ticket.place
    return f"Waiting: {counted(before, 'piece of work', 'pieces of work')} of others before this one." if before else ""
