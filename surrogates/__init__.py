"""Cheap answers to what the simulator would do next, each with an honest uncertainty."""

import lazy_loader

# What is public is named in the stub; it is imported when it is first asked for, so that whoever
# wants one module does not wait for torch, Ray and all the others.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
