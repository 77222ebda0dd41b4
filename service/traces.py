"""Traces by OpenTelemetry, where its own variables say where they go; the extra `otel`."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI

from sim.errors import SurrogymError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_UNTRACED = "/livez,/readyz,/metrics,/static/"


class MissingTraces(SurrogymError):
    """Traces are wanted, and the packages that make them are not there."""


def are_wanted() -> bool:
    """Whether the environment says where traces go."""
    return any(os.environ.get(name) for name in _ENDPOINTS)


def trace(app: FastAPI, processor: SpanProcessor | None = None) -> None:
    """Make a span of every request, named by its route, under the caller's where he sends one.

    Spans go to a collector over OTLP unless a processor is given. Paths are told as routes, so that
    no id or name makes a kind of its own. Raises MissingTraces without the extra.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise MissingTraces(
            f"{_ENDPOINTS[0]} is set, and {error.name} is missing: pip install 'surrogym[otel]'"
        ) from error
    name = os.environ.get("OTEL_SERVICE_NAME", "surrogym")
    about = {"service.name": name, "service.version": version("surrogym")}
    provider = TracerProvider(resource=Resource.create(about))
    provider.add_span_processor(processor or BatchSpanProcessor(OTLPSpanExporter()))
    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=provider,
        excluded_urls=_UNTRACED,
        exclude_spans=["receive", "send"],
    )
