import json

import msgspec
import numpy as np
import pytest

from service.sessions.encoding import Form, read_command, write_reply
from service.sessions.refusal import Refused


def packed(values: np.ndarray, **changes: object) -> dict[str, object]:
    told: dict[str, object] = {
        "dtype": values.dtype.str,
        "shape": list(values.shape),
        "bytes": values.tobytes(),
    }
    return told | changes


@pytest.mark.parametrize("dtype", ["|b1", "|u1", "<i8", "<f4", "<f8"])
def test_arrays_pass_through_msgpack_bit_for_bit(dtype: str) -> None:
    """What a client decodes must be what the environment gave."""
    values = np.arange(12).reshape(3, 4).astype(dtype)
    reply = msgspec.msgpack.decode(write_reply({"observation": values.T}, Form.MSGPACK))
    told = reply["observation"]
    back = np.frombuffer(told["bytes"], told["dtype"]).reshape(told["shape"])
    np.testing.assert_array_equal(back, values.T)
    command = read_command(msgspec.msgpack.encode({"action": packed(values)}), Form.MSGPACK)
    np.testing.assert_array_equal(command.action, values)


def test_single_precision_passes_through_json_bit_for_bit() -> None:
    """Numbers are written as short as possible, and no shorter."""
    values = np.random.default_rng(1).standard_normal(1000).astype(np.float32)
    told = json.loads(write_reply({"observation": values}, Form.JSON))["observation"]
    np.testing.assert_array_equal(np.array(told, dtype=np.float32), values)


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"{", b'{"type": 3}', b'{"step_id": 0}', b'{"step_id": 9007199254740993}',
     b'{"seed": -1}', b'{"action": NaN}', b"\xff\xff", b'{"action": ' + b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_command_is_refused(payload: bytes) -> None:
    """Whatever is sent, the worker lives on."""
    with pytest.raises(Refused):
        read_command(payload, Form.JSON)


@pytest.mark.parametrize(
    "changes",
    [{"dtype": "O"}, {"dtype": ">f4"}, {"shape": [5]}, {"shape": [-4]}, {"shape": "4"},
     {"bytes": "text"}, {"dtype": "<f4", "shape": [1 << 62]}, {"dtype": ["<f4"]}],
)  # fmt: skip
def test_what_is_no_array_is_refused(changes: dict[str, object]) -> None:
    """Neither objects nor a shape that the bytes do not have."""
    told = packed(np.zeros(4, dtype=np.int64), **changes)
    with pytest.raises(Refused):
        read_command(msgspec.msgpack.encode({"action": told}), Form.MSGPACK)
