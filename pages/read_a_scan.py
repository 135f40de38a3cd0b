"""Read a scan: upload slices or volumes or take a sample, see the probabilities and where the evidence lies."""

import contextlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.cohorts.names.columns import OLDEST
from core.errors import ChoiceNeeded, EmptyHeatmap, StageLensError
from core.explain import Explanation, explainer, explainers, heatmap_legend
from core.explain.reading import Reading
from core.networks.bundle import open_bundle
from core.networks.inference.prediction import Prediction
from core.reporting.pictures.overlays import heatmap_picture, slice_picture
from core.reporting.pictures.windowing import crosshair_picture, position_mm, window_limits, with_edge_letters
from core.reporting.plots.probabilities import probability_bars, slice_curves
from core.reporting.text.numbers import sentence
from core.reporting.text.predictions import (
    FLIPPED,
    age_text,
    brain_age_text,
    calibrated_text,
    left_out_text,
    ood_text,
    raw_outputs_text,
    space_text,
)
from core.runs.workers import Cancelled
from core.scans import Scan, generated_name, read_scan, separate_scans
from core.scans.framing import flipped
from core.scans.planes import PLANES, plane_of
from core.scans.writing import png_bytes
from core.words import either
from core.workflows.asked import head_of, reading_of
from core.workflows.library import card_titles, reads_volumes, sample_scans
from core.workflows.predict import bundle_version
from pages import choose_model, computed, is_in_distribution, propose_other_question, run_page

if TYPE_CHECKING:
    from core.scans.registration.head import StandardHead

PREDICTED = "the predicted class"
MOST_SCANS = 50
REMEMBERED, TURNED, HEADS = "readings", "turned over", "heads"
NOT_OFFERED = ("guided-backprop", "vargrad", "eigen-cam", "regions")  # these are for the page Explain
MOST_REMEMBERED = 8  # readings of volumes
MOST_HEADS = 2  # 80 MB each


def choose_files() -> list[tuple[str, Mapping[str, bytes]]]:
    """Return what the person gave: a label for each scan, and its files."""
    uploaded, sample = st.tabs(["Upload", "Samples"])
    with uploaded:
        files = st.file_uploader(
            "DICOM, NIfTI, FreeSurfer, MINC, MetaImage, NRRD, pairs such as .hdr with .img, pictures, or a zip of them",
            accept_multiple_files=True,
            help="A T1 head volume is brought into the network's space; a single picture must be a skull-stripped "
            "axial T1 slice, the back of the head at the top. Scans stay in this server's memory for a while and are "
            "never written to its disk; file names and patient data are dropped.",
        )
    with sample:
        names = sample_scans()
        chosen = st.selectbox(
            "Synthetic scans of an average brain", list(names), index=None, placeholder="Choose a sample"
        )
    if files:
        scans = separate_scans({f"{number} {file.name}": file.getvalue() for number, file in enumerate(files)})
        if len(scans) > MOST_SCANS:
            st.warning(f"{len(scans)} scans were given; the first {MOST_SCANS} are read.")
        return [(f"Scan {n}", _own_names(group)) for n, group in enumerate(scans[:MOST_SCANS], start=1)]
    return [(chosen, {names[chosen].name: names[chosen].read_bytes()})] if chosen else []


def _own_names(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Take the number off a file's name again, where it stands alone."""
    if len(files) > 1:
        return files
    ((name, data),) = files.items()
    return {name.split(" ", 1)[1]: data}


def read(label: str, files: Mapping[str, bytes]) -> Scan | None:
    """Read one scan; where there are several, none before one is chosen. Show the reason where it is none."""
    try:
        try:
            return read_scan(files)
        except ChoiceNeeded as question:
            page = _chosen(label, question, f"{label} {generated_name(*files.values())}")
            return None if page is None else read_scan(files, page=page)
    except StageLensError as error:
        st.error(f"{label}: {error}", icon=":material/error:")
    return None


def _chosen(label: str, question: ChoiceNeeded, key: str) -> int | None:
    """Let one of several pages, volumes or series be chosen; nothing is, unless only one is what the networks read."""
    count = len(question.choices)
    what = question.choices[0].rsplit(" ", 1)[0] if question.choices[0].endswith(" 1") else None
    if what is not None:
        number = st.number_input(
            f"{label} holds {count} {what}s. Which one?", 1, count, None, key=key, placeholder=f"1 to {count}"
        )
        return None if number is None else int(number)
    chosen = st.selectbox(
        f"{label} holds {count} series or images. Which one?",
        range(count),
        None if question.likely is None else question.likely - 1,
        format_func=question.choices.__getitem__,
        key=key,
        placeholder="Choose one",
    )
    if question.likely is not None:
        st.caption("Proposed is the only plain T1 volume among them, by what the files say.")
    return None if chosen is None else chosen + 1


def explained(scan: Scan, model: str, class_name: str | None, method: str, age: float | None) -> Reading:
    """Return the reading of a scan, remembered while the page is open."""
    readings = st.session_state.setdefault(REMEMBERED, {})
    head = head_and_check(scan)[0] if scan.is_volume and reads_volumes(model) else None
    key = (scan.digest, bundle_version(model), class_name, method, age)
    if key not in readings:
        while sum(scan.is_volume for scan in (one.scan for one in readings.values())) > MOST_REMEMBERED:
            readings.pop(next(iter(readings)))
        folder, _ = bundle_version(model)
        readings[key] = computed(key, "Reading the scan …", reading_of, folder, scan, class_name, method, head, age)
    found: Reading = readings[key]
    return found if head is None else replace(found, head=head)


def show(label: str, reading: Reading, opacity: float, *, chosen: bool) -> None:
    """Show one scan: picture, heatmap, probabilities; of a rejected one that is looked at anyway no stage, no promise.

    Args:
        label: What the scan is called.
        reading: Of it.
        opacity: Of the heatmap.
        chosen: Whether the person, not the network, chose the class of the heatmap.
    """
    prediction = reading.prediction
    with st.container(border=True):
        heading = st.empty()
        for warning in reading.warnings:
            st.warning(warning, icon=":material/warning:")
        wanted = is_in_distribution(prediction, f"{label} {reading.scan.name} {prediction.model}")
        if prediction.ood is not None and prediction.rejected and ood_text(prediction.ood.as_dict()) == FLIPPED:
            offer_to_flip(label, reading.scan)
        heading.subheader(f"{label}: {'no answer' if prediction.rejected else prediction.answer}", anchor=False)
        if not wanted:
            picture, caption = _with_sides(reading, 0)
            st.image(png_bytes(picture), caption=caption, width=240)
            return
        if not prediction.rejected:
            show_list(prediction)
            show_ages(prediction)
        index = _chosen_slice(label, reading)
        explanation = reading.explanations[index]
        plain, heat, bars = st.columns([1, 1, 1.4], gap="medium")
        picture, caption = _with_sides(reading, index)
        plain.image(png_bytes(picture), caption=caption, width="stretch")
        drawn = None
        with heat:
            if prediction.rejected and not chosen:
                st.info("Choose a class under *Heatmap for*.", icon=":material/info:")
            else:
                drawn = show_heatmap(label, reading, index, opacity=opacity)
        with bars:
            about = f"{explanation.sentence} {explainer(explanation.method).hides}"
            if prediction.rejected:
                st.caption(f"{raw_outputs_text(prediction.raw_outputs)} {about if chosen else ''}")
            else:
                show_probabilities(label, prediction, about)
            if drawn is not None:
                st.download_button(
                    "Download picture",
                    drawn,
                    f"{reading.slices[index].name}.png",
                    "image/png",
                    icon=":material/download:",
                    key=f"get {label}",
                    on_click="ignore",
                )
        if reading.head is not None:
            show_volume(label, reading, reading.head, index)


def offer_to_flip(label: str, scan: Scan) -> None:
    """Turn a picture over where the person asks for it."""
    if st.button("Flip and read", type="primary", icon=":material/swap_vert:", key=f"flip {label} {scan.name}"):
        st.session_state.setdefault(TURNED, set()).add(scan.name)
        st.rerun()


def show_list(prediction: Prediction) -> None:
    """Show the classes a scan is compatible with, and why others are not among them."""
    if prediction.possible is None or prediction.calibration is None:
        return
    tested = prediction.calibration.tested
    st.markdown(
        f"Compatible with: **{either(prediction.possible)}**",
        help=f"In testing, this list contained the true class for {tested}." if tested else None,
    )
    why = left_out_text(prediction.probabilities, prediction.possible, prediction.calibration.coverage)
    if why:
        st.caption(why)


def show_ages(prediction: Prediction) -> None:
    """Show what age an answer is adjusted for, and the age that the brain looks, where the model has learned them."""
    if prediction.asks_for_age:
        st.caption(age_text(prediction.age, "*Age*, above,"))
    if prediction.brain_age is not None:
        st.caption(brain_age_text(asdict(prediction.brain_age), prediction.age))


def show_heatmap(label: str, reading: Reading, index: int, *, opacity: float) -> bytes | None:
    """Show one heatmap and return its picture; None where there is nothing to see, or it is not believed."""
    explanation = reading.explanations[index]
    shown = f"{reading.scan.name} {reading.prediction.model} {explanation.method} {explanation.class_name}"
    if not worth_showing(explanation, f"{label} {shown} {index}"):
        return None
    try:
        drawn = png_bytes(heatmap_picture(reading, index, opacity=opacity))
    except EmptyHeatmap as empty:
        st.info(str(empty), icon=":material/info:")
        return None
    title = explainer(explanation.method).title
    st.image(drawn, caption=f"{title} for {explanation.class_name}", width="stretch")
    st.image(png_bytes(heatmap_legend()), caption="none … strongest evidence in this scan", width="stretch")
    return drawn


def show_probabilities(label: str, prediction: Prediction, about: str) -> None:
    """Show a bar per class, and what is known of the heatmap and of the bars."""
    figure = probability_bars(prediction.probabilities)
    st.plotly_chart(figure, width="stretch", config={"displayModeBar": False}, key=f"bars {label}")
    calibrated = calibrated_text("Probabilities", prediction.as_dict())
    st.caption(f"{about} {calibrated} The page Model cards says how often this network was right in its test.")


def worth_showing(explanation: Explanation, key: str) -> bool:
    """Say so where a check failed, and let the person decide whether to look all the same."""
    if not explanation.failed_checks:
        return True
    st.warning("**Explanation unreliable.** " + " ".join(map(sentence, explanation.failed_checks)))
    return bool(st.toggle("Show the map anyway", key=f"anyway {key}"))


def _with_sides(reading: Reading, index: int) -> tuple[NDArray[np.uint8], str]:
    """Return the picture of a slice with the letters of its sides, where they are known, and its caption."""
    picture, plane = slice_picture(reading, index), plane_of(reading.slices[index].orientation)
    what = "The scan" if reading.head is None else "What the model saw"
    if plane is None:
        return picture, f"{what} ({reading.scan.source}); which side is left is unknown"
    return with_edge_letters(picture, plane), f"{what} ({reading.scan.source})"


def _chosen_slice(label: str, reading: Reading) -> int:
    """Let the person move through the slices the network used; begin at the strongest."""
    heights = [round(height) for height in reading.prediction.heights_mm]
    if not heights:
        return 0
    height = st.select_slider(
        "Slice the model used (mm above the AC–PC line)",
        heights,
        heights[reading.strongest],
        key=f"slice {label} {reading.scan.name} {reading.prediction.model}",
        format_func=lambda mm: f"{mm:+d} mm",
    )
    return heights.index(height)


def show_volume(label: str, reading: Reading, head: "StandardHead", index: int) -> None:
    """Show what only a volume has: the answer along the slices, the head in three planes, and the registration."""
    prediction = reading.prediction
    if prediction.slice_logits is not None and not prediction.rejected:
        curves = slice_curves(prediction.heights_mm, prediction.slice_probabilities, prediction.classes, index)
        st.plotly_chart(curves, width="stretch", config={"displayModeBar": False}, key=f"curves {label}")
    values = reading.as_dict()
    st.caption(space_text(values["standard_space"], values.get("slices", [])))
    planes, check = st.tabs(["Head in three planes", "Registration check"])
    with planes:
        show_planes(f"{label} {head.scan.name}", head, prediction.heights_mm)
    with check:
        show_check(head, head_and_check(reading.scan)[1])


def show_planes(key: str, head: "StandardHead", heights_mm: tuple[float, ...]) -> None:
    """Show the head in three planes with a crosshair, and mark the slices the network used."""
    st.caption("Cyan lines mark the lowest and highest slice the model used.")
    controls = st.columns(4)
    limits = window_limits(head)
    point = [
        controls[axis].slider(f"{name} (mm)", *position_mm(axis), value=start, key=f"{name} {key}")
        for axis, (name, start) in enumerate((("Right", 0), ("Front", -18), ("Up", 12)))
    ]
    window = controls[3].slider("Window", limits[0], limits[1], (limits[0], limits[2]), key=f"window {key}")
    for column, plane in zip(st.columns(3), PLANES, strict=True):
        picture = crosshair_picture(head, plane, point, window=window, marked_mm=(heights_mm[0], heights_mm[-1]))
        column.image(png_bytes(picture), caption=plane.capitalize(), width="stretch")


def show_check(head: "StandardHead", check: NDArray[np.uint8]) -> None:
    """Show the head before and after registration, with the template's outline."""
    quality = head.quality
    st.image(
        png_bytes(check),
        caption="Above: the scan as it came. Below: in standard space. Blue: the outline of the template's brain.",
    )
    st.caption(
        f"Verdict: {quality.verdict}. Correlation with the template {quality.similarity:.2f}, "
        f"{100 * quality.overlap:.0f} % of the brain covered, size {quality.scales[0]:.2f} to {quality.scales[1]:.2f} "
        f"of the template, shear {quality.shear:.2f}."
    )


def can_be_read(label: str, scan: Scan, model: str) -> bool:
    """Bring a volume into standard space; where that fails, say so with the pictures and return False."""
    if not scan.is_volume or not reads_volumes(model):
        return True
    head, check = head_and_check(scan)
    if head.quality.verdict != "failed":
        return True
    st.error(f"{label}: {head.quality.sentences[0]} No stage is given.", icon=":material/error:")
    show_check(head, check)
    return False


def head_and_check(scan: Scan) -> "tuple[StandardHead, NDArray[np.uint8]]":
    """Return a volume in standard space with the picture of its check; the last few are remembered."""
    heads = st.session_state.setdefault(HEADS, {})
    if scan.digest not in heads:
        title = "Bringing the head into standard space; this takes about ten seconds …"
        made = computed(("head", scan.digest), title, head_of, scan)
        while len(heads) >= MOST_HEADS:
            heads.pop(next(iter(heads)))
        heads[scan.digest] = made
    found: tuple[StandardHead, NDArray[np.uint8]] = heads[scan.digest]
    return found


def main() -> None:
    """Run the page."""
    st.title("Read a scan", anchor=False)
    titles = card_titles()
    if not titles:
        st.error("There is no model in the models folder.")
        return
    files = choose_files()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = choose_model({name: title for name, (title, _) in titles.items()})
        class_name = st.selectbox("Heatmap for", [PREDICTED, *titles[model][1]])
        recipe = open_bundle(model).recipe
        every = explainers(morphometric=recipe.morphometry is not None)
        offered = [one.name for one in every if one.name not in NOT_OFFERED]
        method = st.selectbox("Method", offered, format_func=lambda name: explainer(name).title)
        opacity = st.slider("Heatmap opacity", 0.0, 1.0, 0.6, 0.05)
        age = (
            st.number_input("Age", 1, int(OLDEST), None, placeholder="years", width=110)
            if recipe.asks_for_age
            else None
        )
    if not files:
        st.info("Upload a scan, or choose a sample, to see its class and where the evidence lies.")
    for label, group in files:
        scan = read(label, group)
        if scan is None:
            continue
        if scan.name in st.session_state.get(TURNED, ()):
            scan = flipped(scan)
        try:
            if not can_be_read(label, scan, model):
                continue
            reading = explained(scan, model, None if class_name == PREDICTED else class_name, method, age)
        except Cancelled:
            continue
        except StageLensError as error:
            st.error(f"{label}: {error}", icon=":material/error:")
            continue
        show(label, reading, opacity, chosen=class_name != PREDICTED)
        with contextlib.suppress(Cancelled):
            propose_other_question(label, scan, reading.prediction)


run_page("pages/read_a_scan.py", main)
