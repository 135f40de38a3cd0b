"""StageLens as a library.

The public names stand in `__init__.pyi`, once; each is imported when it is first used, so that Keras is loaded only
where a name needs it.
"""

import lazy_loader

from core.backend_choice import settled_backend

settled_backend()  # before anything here imports Keras
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
