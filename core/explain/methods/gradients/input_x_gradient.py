"""Input × Gradient: each pixel times the slope of the logit there.

Shrikumar et al., Not Just a Black Box, arXiv:1605.01713, section 3: x ⊙ ∂y_c/∂x.
"""

from core.explain.explanation import Attribution, Explainer, ExplanationBatch


def input_x_gradient(batch: ExplanationBatch) -> Attribution:
    """Compute Input × Gradient."""
    _, found = batch.predictor.input_gradient(batch.inputs, batch.classes)
    return Attribution((batch.inputs * found)[..., 0], {"of": "logit"})


EXPLAINER = Explainer(
    name="input-x-gradient",
    priority=130,
    title="Input × Gradient",
    source="Shrikumar et al., arXiv:1605.01713",
    compute=input_x_gradient,
    shows="Each pixel's brightness times how the logit of {class_name} responds to it.",
    hides="Dark pixels are never highlighted, and the values add up to the logit only if the network is linear.",
    signed=True,
    cost="one gradient",
)
