"""Input × Gradient: each pixel times the slope of the logit there.

Shrikumar et al., Not Just a Black Box, arXiv:1605.01713, section 3: x ⊙ ∂y_c/∂x.
"""

from core.explain.explanation import Attribution, Explainer, ExplanationBatch


def input_x_gradient(batch: ExplanationBatch) -> Attribution:
    """Compute Input × Gradient."""
    _, found = batch.predictor.input_gradient(batch.inputs, batch.classes)
    return Attribution((batch.inputs * found)[..., 0], {"of": "logit"})


EXPLAINER = Explainer(
    "input-x-gradient", 130, "Input × Gradient", "Shrikumar et al., arXiv:1605.01713", input_x_gradient,
    shows="Each pixel's brightness times how the logit of {class_name} answers to it.",
    hides="Dark pixels cannot show, and it shares out the logit only if the network is linear.",
    signed=True, cost="one gradient",
)  # fmt: skip
