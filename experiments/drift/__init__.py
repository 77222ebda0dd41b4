"""How soon do detectors see a change, what do they call it, and how often do they cry wolf?"""
