"""The plain gradient: how strongly the logit responds to a small change of each pixel.

Simonyan, Vedaldi and Zisserman, Deep Inside Convolutional Networks, ICLR workshop 2014, section 3: |∂y_c/∂x|.
"""

import numpy as np

from core.explain.explanation import Attribution, Explainer, ExplanationBatch


def gradient(batch: ExplanationBatch) -> Attribution:
    """Compute absolute gradients."""
    _, found = batch.predictor.input_gradient(batch.inputs, batch.classes)
    return Attribution(np.abs(found[..., 0]), {"of": "logit"})


EXPLAINER = Explainer(
    name="gradient",
    priority=120,
    title="Gradient",
    source="Simonyan et al., ICLR workshop 2014",
    compute=gradient,
    shows="How strongly the logit of {class_name} responds to a small change of each pixel.",
    hides="It is the slope at this scan only, noisy and often flat where the network is certain; it does not separate "
    "evidence for the class from evidence against it.",
    cost="one gradient",
)
