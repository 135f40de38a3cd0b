"""Explain: for teaching. Methods, classes and layers side by side, what noise does to a map, and whether to believe
it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from core.errors import EmptyHeatmap, StageLensError
from core.explain import Explanation, difference, explainer, explainers, heatmap_legend
from core.explain.explanation import Explainer
from core.explain.overlay import COLOURS
from core.networks.inference.prediction import Prediction
from core.reporting.pictures.overlays import drawn_map
from core.reporting.plots.heatmaps import (
    agreement_table,
    cascading_randomisation_curve,
    faithfulness_curves,
    heatmap_plot,
    path_curve,
    stability_bars,
)
from core.reporting.text.numbers import sentence
from core.reporting.text.predictions import raw_outputs_text, set_text
from core.runs.workers import Cancelled
from core.scans import Scan, read_scan
from core.scans.writing import png_bytes
from core.workflows import asked
from core.workflows.library import card_titles, reads_pictures, sample_heights, sample_scans
from core.workflows.predict import bundle_version
from pages import choose_model, computed, is_in_distribution, run_page

FIRST_METHODS = ("grad-cam", "integrated-gradients", "occlusion")
REMEMBERED, MOST_REMEMBERED = "explanations", 60
NO_BAR = {"displayModeBar": False}
KINDS = {"evidence": "Evidence for", "both": "For and against", "contours": "Contours"}
FRAMES = 11


def choose_scan() -> tuple[Scan, float | None] | None:
    """Return the image the person chose and its height in standard space, where that is known."""
    given, sample = st.columns(2)
    file = given.file_uploader(
        "An axial slice (PNG, JPEG, TIFF, BMP, WebP)", help="It is never written to the server's disk."
    )
    names = {name: path for name, path in sample_scans().items() if path.suffix == ".png"}
    chosen = sample.selectbox("or a synthetic sample", list(names), index=min(6, len(names) - 1))
    if file is None:
        return read_scan({names[chosen].name: names[chosen].read_bytes()}), sample_heights(names[chosen])
    scan = read_scan({file.name: file.getvalue()})
    if scan.is_volume:
        st.info("This page looks at one slice; volumes are read under *Read a scan*.", icon=":material/info:")
        return None
    known = sample.number_input("Height of the slice (mm above the AC–PC line), if known", -70, 100, None)
    return scan, None if known is None else float(known)


def remembered(function: Callable[..., Any], scan: Scan | None, model: str, *arguments: Any) -> Any:
    """Return what a worker made before of a scan and a network, or let it be made; while the page is open.

    Args:
        function: Of `core.workflows.asked`: of the bundle's folder, the scan, and the arguments.
        scan: Of which scan; None where it is of the network alone.
        model: Name of the bundle.
        arguments: Everything else that it depends on.
    """
    kept = st.session_state.setdefault(REMEMBERED, {})
    version = bundle_version(model)
    given = () if scan is None else (scan,)
    key = (function.__name__, *(one.digest for one in given), version, *map(repr, arguments))
    if key not in kept:
        while len(kept) >= MOST_REMEMBERED:
            kept.pop(next(iter(kept)))
        kept[key] = computed(key, "Computing …", function, version[0], *given, *arguments)
    return kept[key]


def map_of(scan: Scan, model: str, name: str, method: str, height: float | None, **settings: Any) -> Explanation:
    """Return the heatmap of one method and class."""
    found: Explanation = remembered(asked.map_of, scan, model, name, method, height, settings)
    return found


def show_map(scan: Scan, found: Explanation, key: str, *, kind: str, colours: str) -> None:
    """Show one map with what it shows, what it does not, and its source; an unreliable one only on request."""
    record = explainer(found.method)
    st.markdown(f"**{record.title}**  \nfor {found.class_name}")
    wanted = True
    if found.failed_checks:
        st.warning("**Explanation unreliable.** " + " ".join(map(sentence, found.failed_checks)))
        wanted = st.toggle("Show the map anyway", key=f"anyway {key} {scan.name} {found.prediction.model}")
    try:
        picture = drawn_map(scan, found, kind=kind, colours=colours) if wanted else scan.picture()
        st.image(png_bytes(picture), width="stretch")
    except EmptyHeatmap as empty:
        st.info(str(empty), icon=":material/info:")
    st.caption(f"{found.shows} {record.hides} *{record.source}.*")


def show_methods(scan: Scan, model: str, classes: list[str], methods: list[str], height: float | None) -> None:
    """Show methods side by side, a row a class."""
    left, right = st.columns(2)
    kind = (
        left.segmented_control("Drawing", list(KINDS), format_func=KINDS.__getitem__, default="evidence") or "evidence"
    )
    colours = right.selectbox("Colours", list(COLOURS), help="All can be told apart without colour vision.")
    for name in classes:
        columns = st.columns(max(3, len(methods)))
        for column, method in zip(columns, methods, strict=False):
            with column:
                try:
                    found = map_of(scan, model, name, method, height=height)
                except Cancelled:
                    continue
                except StageLensError as error:
                    st.info(f"{explainer(method).title}: {error}", icon=":material/info:")
                    continue
                show_map(scan, found, f"{name} {method}", kind=kind, colours=colours)
    st.image(png_bytes(heatmap_legend(colours=colours)), caption="none … strongest evidence in this scan", width=320)
    made = [map_of(scan, model, classes[0], method, height=height) for method in methods if method != "regions"]
    if len(made) > 1:
        st.markdown(
            "**Do the methods agree?** Correlation of their maps, and the fraction of the strongest tenth in common."
        )
        st.dataframe(agreement_table(made), width="stretch")
        st.caption(
            "Methods that disagree cannot all be right; methods that agree can all be wrong, as most have the same "
            "gradient. *Krishna et al., The Disagreement Problem in Explainable Machine Learning, TMLR 2024.*"
        )
    if len(classes) > 1:
        one, other = (map_of(scan, model, name, methods[0], height=height) for name in classes[:2])
        apart = difference(one, other)
        plain, drawn = st.columns(2)
        plain.image(png_bytes(scan.picture()), caption="The scan", width="stretch")
        with drawn:
            try:
                st.image(png_bytes(drawn_map(scan, apart, kind="both")), caption=apart.shows, width="stretch")
            except EmptyHeatmap:
                st.info("The two maps are the same.", icon=":material/info:")
        st.caption(
            "The difference of two maps shows what tells the classes apart for this method; what both classes have "
            "in common cancels. It has no source of its own: it is the map of the difference of two logits only for "
            "methods that are linear in them."
        )


def show_layers(scan: Scan, model: str, name: str, height: float | None) -> None:
    """Show one class at several depths of the network."""
    layers = remembered(asked.layers_of, None, model)
    chosen = st.multiselect("Layers, from fine to coarse", layers, layers[-3:])
    columns = st.columns(max(3, len(chosen)))
    for column, layer in zip(columns, chosen, strict=False):
        with column:
            found = map_of(scan, model, name, "layer-cam", height=height, layers=(layer,))
            st.markdown(f"**{layer}**")
            show_map(scan, found, f"layer {layer}", kind="evidence", colours="inferno")
    st.caption(
        "Early layers draw edges that any class would use; late ones speak of the class but cannot say where. "
        "Neither is the truth about the other. *Jiang et al., LayerCAM, IEEE TIP 2021.*"
    )


def show_path(scan: Scan, model: str, name: str, height: float | None) -> None:
    """Move along the path of Integrated Gradients."""
    alphas = np.linspace(0, 1, FRAMES)
    images, logits = remembered(asked.path_of, scan, model, name, alphas.tolist())
    at = st.slider("Along the path from black to the scan", 0, FRAMES - 1, FRAMES // 2, format="%d / 10")
    picture, curve = st.columns([1, 2])
    picture.image(
        png_bytes(images[at].round().astype(np.uint8)), caption=f"{100 * alphas[at]:.0f} % of the scan", width="stretch"
    )
    curve.plotly_chart(path_curve(alphas.tolist(), logits, name, at), width="stretch", config=NO_BAR)
    found = map_of(scan, model, name, "integrated-gradients", height=height)
    checks = found.checks
    error = "not defined" if checks["completeness_error"] is None else f"{100 * checks['completeness_error']:.2f} %"
    st.markdown(
        f"**{checks['points']}** gradients were taken along it; the attributions add up to the score difference of "
        f"**{checks['score_difference']:+.2f}** with an error of **{error}**. That speaks of their sum. The map itself "
        f"changed by **{100 * checks['map_change']:.0f} %** when the points were last doubled."
    )
    st.caption(
        "Integrated Gradients adds up the gradient along this path, twice as densely until the map settles. Scans half "
        "as bright are "
        "unlike any the network has seen, and another baseline gives another map. *Sundararajan et al., ICML 2017.*"
    )


def show_noise(scan: Scan, model: str, name: str, method: str, height: float | None) -> None:
    """Watch a map change with small changes of the scan, and measure by how much."""
    copies = st.slider("Changed copies of each kind", 3, 30, 10)
    found = remembered(asked.stability_of, scan, model, name, method, copies, height)
    (st.success if found.holds else st.warning)(f"{explainer(method).title}: {found.verdict}")
    st.plotly_chart(stability_bars(found), width="stretch", config=NO_BAR)
    reference = map_of(scan, model, name, method, height=height)
    shown = {"as it came": reference.heatmap, **found.examples, "varies by": found.variability}
    for start in range(0, len(shown), 5):
        for column, (title, heat) in zip(st.columns(5), list(shown.items())[start : start + 5], strict=False):
            with column:
                try:
                    st.image(png_bytes(drawn_map(scan, reference, heat=heat)), caption=title, width="stretch")
                except EmptyHeatmap:
                    st.image(png_bytes(scan.picture()), caption=f"{title}: empty", width="stretch")
    st.caption(
        "Each map is of a copy changed in a way that means nothing, moved back before it is compared; grey marks "
        "are what "
        "meaningless maps of the same size give. A stable map may still be wrong: one that ignores the scan is the "
        "most stable of "
        "all. *Wang et al., IEEE TIP 2004; Yeh et al., NeurIPS 2019.*"
    )


def show_sanity(scan: Scan, model: str, name: str, method: str, height: float | None) -> None:
    """Run the sanity check, and the curves of deletion and insertion."""
    record: Explainer = explainer(method)
    shown = f"{method} {name} {scan.name} {model}"
    if record.known_to_fail:
        st.warning(f"{record.title} is known to fail this check: {record.known_to_fail}.")
    left, right = st.columns(2)
    with left:
        st.markdown("**Is it the trained weights that draw the map?**")
        if st.button("Randomise the network layer by layer"):
            st.session_state[f"randomised {shown}"] = True
        if st.session_state.get(f"randomised {shown}"):
            steps = remembered(asked.randomisation_of, scan, model, method, height)
            st.plotly_chart(cascading_randomisation_curve(steps), width="stretch", config=NO_BAR)
        st.caption(
            "Layers get random weights from the answer downwards; the map should lose its likeness to the trained "
            "one. Passing does not make a map right, failing makes it worthless. *Adebayo et al., NeurIPS 2018.*"
        )
    with right:
        st.markdown("**Does the answer depend on the highlighted areas?**")
        if st.button("Delete and insert"):
            st.session_state[f"faithful {shown}"] = True
        if st.session_state.get(f"faithful {shown}"):
            made = map_of(scan, model, name, method, height=height)
            found = remembered(asked.faithfulness_of, scan, model, name, height, made)
            st.plotly_chart(faithfulness_curves(found), width="stretch", config=NO_BAR)
            for warning in found.failed_checks:
                st.warning(f"Explanation unreliable: {warning}")
        st.caption(
            "The highlighted pixels are blackened first, or brought into focus first; random pixels of the same "
            "coarseness stand "
            "beside. Half-deleted scans are unlike any the network knows. *Petsiuk et al., RISE, BMVC 2018.*"
        )


def show_values(scan: Scan, model: str, name: str, method: str, height: float | None) -> None:
    """Show a map whose values can be read by pointing."""
    found = map_of(scan, model, name, method, height=height)
    st.plotly_chart(heatmap_plot(scan.picture(), found), width="stretch")
    st.caption(
        f"{found.shows} Point at a pixel to read its value; the values have the unit of the method, not of truth. "
        f"*{explainer(method).source}.*"
    )


def show_answer(prediction: Prediction) -> None:
    """Say what the network says; of a scan that is rejected, no stage."""
    said = prediction.as_dict(force=True)
    if prediction.rejected:
        st.caption(raw_outputs_text(said["raw_outputs"]))
        return
    chance = 100 * said["probabilities"][said["answer"]]
    st.caption(f"The network says {said['answer']} ({chance:.0f} %). {set_text(said)}")


def main() -> None:
    """Run the page."""
    st.title("Explain", anchor=False)
    titles = {name: about for name, about in card_titles().items() if reads_pictures(name)}
    if not titles:
        st.error("There is no model of pictures in the models folder.")
        return
    try:
        chosen = choose_scan()
    except StageLensError as error:
        st.error(str(error), icon=":material/error:")
        return
    if chosen is None:
        return
    scan, height = chosen
    row = st.container(horizontal=True, vertical_alignment="bottom")
    with row:
        model = choose_model({name: title for name, (title, _) in titles.items()})
    prediction = remembered(asked.prediction_of, scan, model)
    if not is_in_distribution(prediction, f"{scan.name} {model}"):
        return
    show_answer(prediction)
    known = list(titles[model][1])
    classes = row.multiselect(
        "Classes", known, [] if prediction.rejected else [prediction.answer], key=f"classes {scan.name} {model}"
    )
    every = [one.name for one in explainers()]
    methods = row.multiselect(
        "Methods", every, list(FIRST_METHODS), format_func=lambda name: explainer(name).title, max_selections=6
    )
    if not classes or not methods:
        st.info("Choose at least one class and one method.")
        return
    name, first = classes[0], methods[0]
    views: dict[str, Callable[[], None]] = {
        "Side by side": lambda: show_methods(scan, model, classes, methods, height=height),
        "Layers": lambda: show_layers(scan, model, name, height),
        "The path": lambda: show_path(scan, model, name, height),
        "Noise": lambda: show_noise(scan, model, name, first, height=height),
        "Sanity check": lambda: show_sanity(scan, model, name, first, height=height),
        "Values": lambda: show_values(scan, model, name, first, height),
    }
    try:
        for tab, show in zip(st.tabs(list(views), key="view", on_change="rerun"), views.values(), strict=True):
            if tab.open:  # only what is looked at is computed
                with tab:
                    show()
    except Cancelled:
        return
    except StageLensError as error:
        st.error(str(error), icon=":material/error:")


run_page("pages/explain.py", main)
