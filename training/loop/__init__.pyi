from .decision import Change, Decision, Findings, decide
from .investigating import Found, Investigation
from .loop import LoopSettings, Response, RetrainingLoop
from .pretraining import Pretrained, PretrainSettings, Round, pretrain
from .renewal import Incumbent, RenewalSettings, Renewed, renew
from .retraining import Retrained, RetrainSettings, retrain
from .surveillance import Surveillance, WatchSettings
from .watching import SeenDay, Watch

__all__ = [
    "Change",
    "Decision",
    "Findings",
    "Found",
    "Incumbent",
    "Investigation",
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
