"""The plain gradient: how strongly the logit answers to a small change of each pixel.

Simonyan, Vedaldi and Zisserman, Deep Inside Convolutional Networks, ICLR workshop 2014, section 3: |∂y_c/∂x|.
"""

import numpy as np

from core.explain.explanation import Attribution, Explainer, ExplanationBatch


def gradient(batch: ExplanationBatch) -> Attribution:
    """Compute absolute gradients."""
    _, found = batch.predictor.input_gradient(batch.inputs, batch.classes)
    return Attribution(np.abs(found[..., 0]), {"of": "logit"})


EXPLAINER = Explainer(
    "gradient", 120, "Gradient", "Simonyan et al., ICLR workshop 2014", gradient,
    shows="How strongly the logit of {class_name} answers to a small change of each pixel.",
    hides="It is the slope at this very scan, noisy and often flat where the network is sure; it does not say what "
    "speaks for or against.",
    cost="one gradient",
)  # fmt: skip
