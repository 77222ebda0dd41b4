"""Webhooks: alarms, promotions and failures told to whoever wants to know, signed."""
