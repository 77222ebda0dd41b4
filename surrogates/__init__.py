"""Cheap answers to what the simulator would do next, each with an honest uncertainty."""

from surrogates.acquisition.campaign import CampaignSettings, run_campaign
from surrogates.acquisition.committee import Committee, fit_committee
from surrogates.clock import WithClock, with_clock
from surrogates.collect import collect, run_episodes
from surrogates.dataset import Transitions, read_transitions, write_transitions
from surrogates.dataset_file import DatasetFile
from surrogates.design import plan_episodes
from surrogates.families import FAMILIES, families_for, fit_family
from surrogates.flow import FlowSettings, FlowSurrogate, fit_flow
from surrogates.forecast import Forecast, predict
from surrogates.interface import Epochs, SupportsLikelihood, Surrogate
from surrogates.scores import Scores, score
from surrogates.storage import load_support, load_surrogate, save_surrogate
from surrogates.support import Support

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
