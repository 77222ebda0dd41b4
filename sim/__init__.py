"""The true simulator: a service system as discrete events, in simulated minutes (rates are per minute)."""
