"""Guided Backpropagation: a gradient of which only positive parts are propagated backwards.

Springenberg et al., Striving for Simplicity, ICLR workshop 2015, section 3.4.

It is included because textbooks show it. It fails: the map hardly changes with random weights or another class
(Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018; Nie et al., ICML 2018, who show that it restores the
image).
"""

from core.explain.explanation import Attribution, Explainer, ExplanationBatch


def guided_backprop(batch: ExplanationBatch) -> Attribution:
    """Compute guided gradients."""
    _, found = batch.predictor.input_gradient(batch.inputs, batch.classes, kind="guided")
    return Attribution(found[..., 0], {"of": "logit"})


EXPLAINER = Explainer(
    name="guided-backprop",
    priority=900,
    title="Guided Backpropagation",
    source="Springenberg et al., ICLR workshop 2015",
    compute=guided_backprop,
    shows="Edges of the scan that pass through the network's ReLUs.",
    hides="It does not explain the prediction: the map is an edge detector that stays nearly the same with random "
    "weights.",
    signed=True,
    cost="one gradient",
    of_no_class=True,
    known_to_fail="it restores edges of the image, whatever the weights (Adebayo et al. 2018; Nie et al. 2018)",
)
