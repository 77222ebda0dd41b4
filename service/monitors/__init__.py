"""Monitors: telemetry comes in day by day, and calibrated detectors say what has drifted."""
