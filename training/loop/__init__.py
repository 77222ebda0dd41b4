"""The loop that keeps a policy good: pre-train, watch, find out, decide, re-train, promote."""

from training.loop.decision import Change, Decision, Findings, decide
from training.loop.loop import LoopSettings, Response, RetrainingLoop
from training.loop.pretraining import Pretrained, PretrainSettings, Round, pretrain
from training.loop.renewal import Incumbent, RenewalSettings, Renewed, renew
from training.loop.retraining import Retrained, RetrainSettings, retrain
from training.loop.surveillance import Found, Surveillance, WatchSettings
from training.loop.watching import SeenDay, Watch

__all__ = [
    "Change",
    "Decision",
    "Findings",
    "Found",
    "Incumbent",
    "LoopSettings",
    "PretrainSettings",
    "Pretrained",
    "RenewalSettings",
    "Renewed",
    "Response",
    "RetrainSettings",
    "Retrained",
    "RetrainingLoop",
    "Round",
    "SeenDay",
    "Surveillance",
    "Watch",
    "WatchSettings",
    "decide",
    "pretrain",
    "renew",
    "retrain",
]
