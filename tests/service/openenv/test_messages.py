"""OpenEnv's messages, whatever is in them."""

from __future__ import annotations

import json

import pytest

from tests.service.conftest import InProcess

HUGE = 10**30


def test_numbers_of_any_length_are_refused_as_messages(service: InProcess) -> None:
    """The connection goes on, and nothing fails on our side."""
    with service.client.websocket_connect("/openenv/clinic/ws") as socket:

        def answer(kind: str, **data: object) -> dict[str, object]:
            socket.send_text(json.dumps({"type": kind, "data": data}))
            told: dict[str, object] = json.loads(socket.receive_text())
            return told

        assert "VALIDATION_ERROR" in str(answer("reset", seed=HUGE))
        assert answer("reset", seed=1)["type"] == "observation"
        assert "VALIDATION_ERROR" in str(answer("step", action=HUGE))
        assert answer("step", action=0)["type"] == "observation"


@pytest.mark.parametrize("body", [{"seed": HUGE}, {"seed": -HUGE}])
def test_numbers_of_any_length_are_refused_over_http(
    service: InProcess, body: dict[str, int]
) -> None:
    """By our own documents, as it is our route."""
    answer = service.client.post("/openenv/clinic/reset", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "refused_input")
