"""Requests as spans, where somebody wants them."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from service import traces
from service.app import create_app
from service.settings import Settings
from tests.service.conftest import KEY

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_request_is_a_span_under_its_callers(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Named by its route, so that ids make no kinds; health is not traced, and no key is told."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept = InMemorySpanExporter()
    app = create_app(Settings(data=tmp_path_factory.mktemp("data"), key=SecretStr(KEY)))
    traces.trace(app, SimpleSpanProcessor(kept))
    headers = {"Authorization": f"Bearer {KEY}", "traceparent": CALLER}
    with TestClient(app, headers=headers) as client:
        assert client.get("/v1/scenarios/clinic").status_code == 200
        assert client.get("/livez").status_code == 200
    (span,) = kept.get_finished_spans()
    assert span.name == "GET /v1/scenarios/{name}"
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}" == CALLER.split("-")[1]
    assert span.resource.attributes["service.name"] == "surrogym"
    assert KEY not in span.to_json()


def test_nothing_is_traced_unless_somebody_says_where_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """By OpenTelemetry's own variable."""
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert not traces.are_wanted()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    assert traces.are_wanted()
