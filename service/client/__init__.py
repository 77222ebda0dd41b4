"""The service from Python, typed: `Client("http://...", key)`. Stepping is in `envs.remote`."""

from service.client.client import Client
from service.client.transport import NotReached, Refusal

__all__ = ["Client", "NotReached", "Refusal"]
