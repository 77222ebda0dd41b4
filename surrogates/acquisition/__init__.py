"""Where to simulate next: doubt times visitation, round by round."""

from surrogates.acquisition.campaign import CampaignSettings, Finished, run_campaign
from surrogates.acquisition.choice import AcquisitionSettings, choose_episodes
from surrogates.acquisition.committee import Committee, fit_committee
from surrogates.acquisition.proposals import CURRENT, propose_episodes

__all__ = [
    "CURRENT",
    "AcquisitionSettings",
    "CampaignSettings",
    "Committee",
    "Finished",
    "choose_episodes",
    "fit_committee",
    "propose_episodes",
    "run_campaign",
]
