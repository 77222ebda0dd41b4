"""The free numbers of an epoch, and how an epoch follows from them."""

from surrogates.coordinates.balance import FlowBalance, obstacle_to_balance
from surrogates.coordinates.coordinate import Coordinate, Coordinates
from surrogates.coordinates.plain import (
    PlainCoordinates,
    learn_coordinates,
    relearn_coordinates,
    restore_coordinates,
)

__all__ = [
    "Coordinate",
    "Coordinates",
    "FlowBalance",
    "PlainCoordinates",
    "learn_coordinates",
    "obstacle_to_balance",
    "relearn_coordinates",
    "restore_coordinates",
]
