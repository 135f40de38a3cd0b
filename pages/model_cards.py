"""Model cards: the card of every network, with its metrics on unseen people beside the published way of counting."""

import streamlit as st

from core.errors import StageLensError
from core.networks.bundle import Bundle, bundle_names, open_bundle
from core.networks.card import Card
from core.reporting.class_report import class_report
from core.reporting.model_card import card_page, model_card
from core.reporting.plots.evaluation import confusion_plot
from core.reporting.tables import metrics_table, uncertainty_tiles
from core.reporting.text.numbers import sentence
from core.reporting.text.verdict import nearest_text, split_words, verdict
from core.results import Metrics
from pages import run_page

TITLES = {"by_subject": "{}, each counted once", "by_slice": "{}, every slice counted"}
PUBLISHED = "Published protocol, every slice counted"


def show_card(bundle: Bundle) -> None:
    """Show one card."""
    card = bundle.card
    st.header(card.title, anchor=False)
    st.caption(f"`{card.name}` · trained {card.date} · {card.intended_use}")
    (st.info if card.split.unseen_people else st.warning)(verdict(card), icon=":material/balance:")
    st.dataframe(metrics_table(card), width="stretch", hide_index=True)
    if card.published_protocol is not None:
        st.info(
            "The last column is how most published numbers on these images are made. There the test shows the network "
            "other slices of the very people it was trained on: it measures recognition of people, not of disease.",
            icon=":material/compare_arrows:",
        )
    if card.nearest is not None:
        st.caption(nearest_text(card.nearest))
    for warning in card.confounders.warnings if card.confounders is not None else ():
        st.warning(sentence(warning), icon=":material/warning:")
    measured = {key: metrics for key, metrics in units(card).items() if metrics is not None}
    as_fraction = st.toggle("Confusion matrices in per cent of each row", key=f"fraction {card.name}")
    for column, (key, metrics) in zip(st.columns(len(measured)), measured.items(), strict=True):
        with column:
            whose = "Unseen people" if card.split.unseen_people else f"Split {split_words(card.split)}"
            st.markdown(f"**{TITLES.get(key, PUBLISHED).format(whose)}**")
            plot = confusion_plot(metrics, as_fraction=as_fraction)
            st.plotly_chart(plot, width="stretch", config={"displayModeBar": False}, key=f"{card.name} {key}")
            st.dataframe(class_report(metrics).round(3), width="stretch", hide_index=True)
            for note in metrics.notes:
                st.caption(note)
    st.subheader("What it cannot do", anchor=False)
    st.markdown("\n".join(f"- {limit}" for limit in card.limits))
    tiles = uncertainty_tiles(card)
    if tiles:
        st.subheader("How far to believe it", anchor=False)
        for column, (title, value, help_) in zip(st.columns(len(tiles)), tiles, strict=True):
            column.metric(title, value, help=help_, border=True)
    text = model_card(bundle)
    with st.expander("The whole model card"):
        st.markdown(text.partition("\n\n")[2].replace("\n## ", "\n#### ").removeprefix("## "))
    with st.container(horizontal=True):
        for suffix, data, kind in (("md", text, "text/markdown"), ("html", card_page(bundle), "text/html")):
            name = f"{card.name}_card.{suffix}"
            st.download_button(f"Model card (.{suffix})", data, name, kind, key=name, on_click="ignore")


def units(card: Card) -> dict[str, Metrics | None]:
    """Return the metrics of a card by way of counting."""
    published = card.published_protocol.by_slice if card.published_protocol is not None else None
    return {"by_subject": card.by_subject, "by_slice": card.by_slice, "published": published}


def main() -> None:
    """Run the page."""
    st.title("Model cards", anchor=False)
    names = bundle_names()
    if not names:
        st.info("There is no model in the models folder yet; `stagelens train` makes one.")
    for name in names:
        try:
            bundle = open_bundle(name)
        except StageLensError as error:
            st.error(str(error), icon=":material/error:")
            continue
        show_card(bundle)


run_page("pages/model_cards.py", main)
