"""Read a scan: upload slices or take a sample, see the probabilities and where the evidence lies."""

from collections.abc import Mapping

import streamlit as st

from core.errors import PageNeeded, StageLensError
from core.explain import heatmap_legend, overlay, png_bytes
from core.scans import Scan, read_scan
from core.service.figures import probability_bars
from core.service.library import card_titles, default_model, sample_scans
from core.service.reading import Reading, predictor_of, read_scans

PREDICTED = "the predicted class"
MOST_SCANS = 50
REMEMBERED = "readings"


def choose_files() -> list[tuple[str, Mapping[str, bytes]]]:
    """Return what the person gave: a label for each file, and the file."""
    uploaded, sample = st.tabs(["Upload", "Samples"])
    with uploaded:
        files = st.file_uploader(
            "Axial MRI slices: PNG, JPEG, TIFF or BMP",
            accept_multiple_files=True,
            help="Skull-stripped axial T1 slices. Files stay in this server's memory while the page is open.",
        )
    with sample:
        names = sample_scans()
        chosen = st.selectbox(
            "Synthetic slices of an average brain", list(names), index=None, placeholder="Choose a sample"
        )
    if len(files) > MOST_SCANS:
        st.warning(f"{len(files)} files were given; the first {MOST_SCANS} are read.")
    if files:
        return [(f"Scan {n}", {file.name: file.getvalue()}) for n, file in enumerate(files[:MOST_SCANS], start=1)]
    return [(chosen, {names[chosen].name: names[chosen].read_bytes()})] if chosen else []


def read(label: str, files: Mapping[str, bytes]) -> Scan | None:
    """Read one file, asking for the page where there are several; show the reason where it is no scan."""
    try:
        return read_scan(files)
    except PageNeeded as question:
        page = st.number_input(f"{label} holds {question.n_pages} pages. Which one?", 1, question.n_pages, key=label)
        try:
            return read_scan(files, page=int(page))
        except StageLensError as error:
            st.error(f"{label}: {error}", icon=":material/error:")
    except StageLensError as error:
        st.error(f"{label}: {error}", icon=":material/error:")
    return None


def explained(scan: Scan, model: str, class_name: str | None) -> Reading:
    """Return the reading of a scan, remembered while the page is open."""
    readings = st.session_state.setdefault(REMEMBERED, {})
    key = (scan.name, model, class_name)
    if key not in readings:
        with st.spinner("Reading the scan …"):
            (readings[key],) = read_scans([scan], predictor_of(model), class_name=class_name)
    found: Reading = readings[key]
    return found


def show(label: str, reading: Reading, opacity: float) -> None:
    """Show one scan: picture, heatmap, probabilities."""
    scan, explanation = reading.scan, reading.explanation
    prediction = explanation.prediction
    with st.container(border=True):
        st.subheader(f"{label}: {prediction.answer}", anchor=False)
        for warning in scan.warnings:
            st.warning(warning, icon=":material/warning:")
        plain, heat, bars = st.columns([1, 1, 1.4], gap="medium")
        plain.image(png_bytes(scan.picture()), caption=f"The scan ({scan.source})", width="stretch")
        with heat:
            if explanation.is_empty:
                st.info(explanation.sentence, icon=":material/info:")
            else:
                drawn = png_bytes(overlay(scan, explanation, opacity=opacity))
                st.image(drawn, caption=f"Grad-CAM for {explanation.class_name}", width="stretch")
                st.image(png_bytes(heatmap_legend()), caption="none … strongest evidence in this scan", width="stretch")
        with bars:
            figure = probability_bars(prediction.probabilities)
            st.plotly_chart(figure, width="stretch", config={"displayModeBar": False}, key=f"bars {label} {scan.name}")
            st.caption(
                f"{explanation.sentence} Probabilities are not calibrated; the Models page says how often this "
                "network is right on people it has never seen."
            )
            if not explanation.is_empty:
                st.download_button(
                    "Download picture",
                    drawn,
                    f"{scan.name}.png",
                    "image/png",
                    icon=":material/download:",
                    key=f"get {label}",
                    on_click="ignore",
                )


def main() -> None:
    """Run the page."""
    st.title("Read a scan", anchor=False)
    titles = card_titles()
    if not titles:
        st.error("There is no model in the models folder.")
        return
    files = choose_files()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = list(titles)
        model = st.selectbox(
            "Network", names, index=names.index(default_model()), format_func=lambda name: titles[name][0]
        )
        class_name = st.selectbox("Heatmap for", [PREDICTED, *titles[model][1]])
        opacity = st.slider("Heatmap opacity", 0.0, 1.0, 0.6, 0.05)
    if not files:
        st.info("Upload a slice, or choose a sample, to see its stage and where the evidence lies.")
    for label, file in files:
        scan = read(label, file)
        if scan is None:
            continue
        try:
            reading = explained(scan, model, None if class_name == PREDICTED else class_name)
        except StageLensError as error:
            st.error(f"{label}: {error}", icon=":material/error:")
            continue
        show(label, reading, opacity)


main()
