"""Models: the card of every network, with its figures on unseen people beside the published way of counting."""

from typing import Any

import streamlit as st

from core.errors import StageLensError
from core.networks.card import bundle_names, open_bundle
from core.service.figures import confusion_plot
from core.service.tables import figures_table, training_table
from pages import within_frame

WAYS = {
    "by_person": "Unseen people, each counted once",
    "by_slice": "Unseen people, every slice counted",
    "published": "Published protocol, every slice counted",
}


def show_card(card: dict[str, Any]) -> None:
    """Show one card."""
    st.header(card["title"], anchor=False)
    st.caption(f"`{card['name']}` · trained {card['date']} · {card['intended_use']}")
    st.dataframe(figures_table(card), width="stretch", hide_index=True)
    if card["published_protocol"]:
        st.info(
            "The last column is how most published figures on these images are made. There the test shows the network "
            "other slices of the very people it was trained on: it measures recognition of people, not of disease.",
            icon=":material/compare_arrows:",
        )
    ways = {key: figures for key, figures in ways_of_counting(card).items() if figures is not None}
    as_share = st.toggle("Confusion matrices in per cent of each row", key=f"share {card['name']}")
    for column, (key, figures) in zip(st.columns(len(ways)), ways.items(), strict=True):
        with column:
            st.markdown(f"**{WAYS[key]}**")
            plot = confusion_plot(figures, as_share=as_share)
            st.plotly_chart(plot, width="stretch", config={"displayModeBar": False}, key=f"{card['name']} {key}")
            for note in figures["notes"]:
                st.caption(note)
    st.subheader("What it cannot do", anchor=False)
    st.markdown("\n".join(f"- {limit}" for limit in card["limits"]))
    with st.expander("Training, data and versions"):
        st.dataframe(training_table(card), width="stretch", hide_index=True)
        st.json(card, expanded=False)


def ways_of_counting(card: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a card by way of counting."""
    published = card["published_protocol"] or {}
    return {"by_person": card["by_person"], "by_slice": card["by_slice"], "published": published.get("by_slice")}


def main() -> None:
    """Run the page."""
    within_frame("pages/models.py")
    st.title("Models", anchor=False)
    names = bundle_names()
    if not names:
        st.info("There is no model in the models folder yet; `stagelens train` makes one.")
    for name in names:
        try:
            card = open_bundle(name).card
        except StageLensError as error:
            st.error(str(error), icon=":material/error:")
            continue
        show_card(card)


main()
