"""FastAPI and uvicorn that do nothing: what a step over REST costs at the least."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Step(BaseModel):
    """As a step is sent."""

    action: int


@app.get("/livez")
async def livez() -> dict[str, str]:
    """Whether it answers."""
    return {"status": "alive"}


@app.post("/step")
async def step(asked: Step) -> Step:
    """Give back what came."""
    return asked


if __name__ == "__main__":
    uvicorn.run(
        app, port=int(sys.argv[1]), log_level="error", access_log=False, timeout_keep_alive=60
    )
