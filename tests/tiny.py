"""Real but small networks for tests: residual ones, of two blocks, learn and explain like the others, in seconds.

A process of its own knows them after `import tests.tiny`.
"""

from core.networks.architectures.backbones import BACKBONES, STANDARD, UNIT_RANGE, Backbone, register, residual

BUILD, LAYERS = residual((8, 16), (1, 1)), ("layer2_0_out", "layer2_0_conv1")
TINY = (
    Backbone("tiny", "Tiny ResNet", BUILD, STANDARD, *LAYERS, 0.006),
    Backbone("tiny3d", "Tiny ResNet3D", BUILD, UNIT_RANGE, *LAYERS, 0.017, dimensions=3),
)
for _backbone in TINY:
    if _backbone.name not in BACKBONES:
        register(_backbone)
