from .acquisition.campaign import CampaignSettings, run_campaign
from .acquisition.committee import Committee, fit_committee
from .clock import WithClock, with_clock
from .collect import collect, run_episodes
from .dataset import Transitions, read_transitions, write_transitions
from .dataset_file import DatasetFile
from .design import plan_episodes
from .families import FAMILIES, families_for, fit_family
from .flow import FlowSettings, FlowSurrogate, fit_flow
from .forecast import Forecast, predict
from .interface import Epochs, SupportsLikelihood, Surrogate
from .scores import Scores, score
from .storage import load_support, load_surrogate, save_surrogate
from .support import Support

__all__ = [
    "FAMILIES",
    "CampaignSettings",
    "Committee",
    "DatasetFile",
    "Epochs",
    "FlowSettings",
    "FlowSurrogate",
    "Forecast",
    "Scores",
    "Support",
    "SupportsLikelihood",
    "Surrogate",
    "Transitions",
    "WithClock",
    "collect",
    "families_for",
    "fit_committee",
    "fit_family",
    "fit_flow",
    "load_support",
    "load_surrogate",
    "plan_episodes",
    "predict",
    "read_transitions",
    "run_campaign",
    "run_episodes",
    "save_surrogate",
    "score",
    "with_clock",
    "write_transitions",
]
