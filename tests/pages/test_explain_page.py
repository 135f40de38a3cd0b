"""What the page Explain says and does, with the shipped model; a process of its own needs less memory for it."""

import json
import re

import pytest
from streamlit.testing.v1 import AppTest

from core.networks.bundle import bundle_names, open_bundle

from ..scans import pictures
from .app import labelled, opened, plots, ran, says

pytestmark = pytest.mark.skipif(not bundle_names(), reason="no model in models/")


@pytest.fixture(scope="module")
def explaining() -> AppTest:
    """The page Explain, as one person has it open: what was computed once is remembered."""
    return opened("pages/explain.py")


def test_methods_stand_side_by_side_and_a_failing_one_is_called_unreliable(explaining: AppTest) -> None:
    app = explaining
    assert labelled(app.selectbox, "^Model$").value == open_bundle().name  # also after another page's choice
    for source in ("Selvaraju et al., ICCV 2017.", "Sundararajan et al., ICML 2017.", "Zeiler and Fergus, ECCV 2014."):
        assert says(app, re.escape(source))
    assert says(app, r"Do the methods agree\?")
    methods = labelled(app.multiselect, "Methods")
    methods.set_value([*methods.value, "guided-backprop"])
    ran(app)
    assert says(app, "gives nearly the same map with random weights")
    assert [one for one in app.toggle if one.label == "Show the map anyway"]


def look_at(app: AppTest, view: str) -> None:
    app.session_state["view"] = view
    ran(app)


@pytest.mark.slow
def test_each_view_is_computed_when_it_is_looked_at_and_not_before(explaining: AppTest) -> None:
    app = explaining
    assert [tab.label for tab in app.tabs][-4:] == ["The path", "Noise", "Sanity check", "Values"]
    path, noise = (
        r"gradients were taken along it; .* with an error of",
        "Grad-CAM: (Stable|The map is stable|Not stable)",
    )
    assert not says(app, f"{path}|{noise}|Early layers draw edges|Point at a pixel")
    look_at(app, "Layers")
    assert says(app, "Early layers draw edges")
    look_at(app, "The path")
    assert says(app, path)
    look_at(app, "Noise")
    assert says(app, noise)
    look_at(app, "Values")
    assert says(app, "Point at a pixel")
    look_at(app, "Sanity check")
    assert not says(app, f"{path}|{noise}|Early layers draw edges|Point at a pixel")
    before = len(plots(app))
    labelled(app.button, "Randomise the network").click()
    ran(app)
    assert "structural similarity" in json.dumps(plots(app))
    labelled(app.button, "Delete and insert").click()
    ran(app)
    assert "Deletion" in json.dumps(plots(app))
    assert len(plots(app)) == before + 2
    look_at(app, "Side by side")


@pytest.mark.slow
def test_a_doubtful_map_of_one_scan_is_not_shown_because_another_ones_was_asked_for(
    explaining: AppTest,
) -> None:
    app = explaining
    labelled(app.multiselect, "Methods").set_value(["guided-backprop"])
    ran(app)
    anyway = [one for one in app.toggle if one.label == "Show the map anyway"]
    assert anyway
    anyway[0].set_value(True)
    sample = labelled(app.selectbox, "synthetic sample")
    sample.set_value(next(one for one in sample.options if one != sample.value))
    ran(app)
    assert not [one for one in app.toggle if one.label == "Show the map anyway" and one.value]


def test_a_rejected_scan_is_explained_for_a_class_the_person_names(explaining: AppTest) -> None:
    app = explaining
    app.file_uploader[0].set_value([("glass.png", pictures.TRANSPARENT, "application/octet-stream")])
    ran(app)
    labelled(app.toggle, "Show anyway").set_value(True)
    ran(app)
    assert labelled(app.multiselect, "Classes").value == []
    assert says(app, "they are no probabilities and name no stage")
    assert not says(app, "The network says|Compatible with|calibrated")
