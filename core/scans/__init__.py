"""Turns bytes into a Scan; the only package that knows file formats.

The public names stand in `__init__.pyi`, once; each is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
